// One file of two, which Jest runs in realms of their own.

require('./suite')
