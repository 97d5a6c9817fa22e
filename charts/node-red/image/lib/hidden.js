'use strict'
// What a report may not show: the lab's own passwords wherever they stand, and whatever is named like a password.

const NOT_SHOWN = '(not shown)'
const SHORTEST = 4 // a shorter word would be found in everything
const SHORT_ONES = ['pass', 'pw', 'auth'].map(word => `${word}(?![a-z])`).join('|') // `dbPass` and `PASS_1`, but not `passed`
const WORD = `passw\\w*|passphrase|pwd|kennwort|secret|token|credential|api[-_]?key|authorization|private[-_]?key|[?&]key|${SHORT_ONES}`
const NAME = new RegExp(WORD, 'i')
const ASSIGNED = new RegExp(`((?:${WORD})\\w*["'\`\\]\\\\]*\\s*[:=,(>]\\s*)\\S.*`, 'gi') // to the end of the line: better too much
const IN_URL = /(\w:\/\/)\S+@/g // a password may have `/` and `@` in it
const IN_HEADER = /\b(Bearer|Basic)\s+[\w+/=.~-]{6,}/g
const NAMES = ['name', 'key', 'keyValue', 'p', 'property'] // fields of entries that say what another field is
const VALUES = ['value', 'valueValue', 'from', 'to', 'v']

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
