// The other file, which Jest runs in realms of their own.

require('./suite')
