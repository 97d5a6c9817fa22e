'use strict'
// What a report may not show: the lab's own passwords wherever they stand, and whatever a name or a text says is one.

const NOT_SHOWN = '(not shown)'
const SHORTEST = 4 // a shorter word would be found in everything
const WORD = 'passw\\w*|passphrase|secret|token|credential|api[-_]?key|authorization|private[-_]?key'
const NAME = new RegExp(WORD, 'i')
const ASSIGNED = new RegExp(`((?:${WORD})\\w*["'\`\\]]*\\s*[:=,]\\s*)\\S.*`, 'gi') // to the end of the line: better too much
const IN_URL = /(\w:\/\/)[^\s/@]+@/g
const IN_HEADER = /\b(Bearer|Basic)\s+[\w+/=.~-]{6,}/g
const NAMES = ['name', 'key', 'keyValue', 'p', 'property'] // fields of entries that say what another field is
const VALUES = ['value', 'valueValue', 'to', 'v']

// A function that gives a value of a node without secrets; `known` are the lab's own.
function hiding (known) {
  const words = known.filter(word => word.length >= SHORTEST)
  function text (said) {
    for (const word of words) said = said.replaceAll(word, NOT_SHOWN)
    return said.replace(ASSIGNED, `$1${NOT_SHOWN}`).replace(IN_URL, `$1${NOT_SHOWN}@`).replace(IN_HEADER, `$1 ${NOT_SHOWN}`)
  }
  return function hidden (value, name = '') {
    if (value === undefined || value === null || typeof value === 'boolean') return value
    if (NAME.test(name)) return NOT_SHOWN
    if (typeof value === 'string') return text(value)
    if (Array.isArray(value)) return value.map(each => hidden(each))
    if (typeof value !== 'object') return value
    const secret = value.type === 'cred' || NAMES.some(field => typeof value[field] === 'string' && NAME.test(value[field]))
    const entry = ([key, inner]) => [key, secret && VALUES.includes(key) ? NOT_SHOWN : hidden(inner, key)]
    return Object.fromEntries(Object.entries(value).map(entry))
  }
}

module.exports = { hiding }
