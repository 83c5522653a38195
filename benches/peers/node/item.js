// What the handler of the `json` scenario does with the body.

exports.priced = (id, { name, price, tags }) => ({ id, name, total: price * tags.length, tags })
