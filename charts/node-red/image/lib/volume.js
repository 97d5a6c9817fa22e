'use strict'
// The files of the volume: read without a trust in what people or a full disk made of them, written whole or not at all.

const fs = require('node:fs')
const path = require('node:path')

const ASIDE = '.broken-'

function store (file, value) {
  const scratch = `${file}.new`
  fs.writeFileSync(scratch, JSON.stringify(value, null, 4) + '\n', { mode: 0o600 })
  fs.renameSync(scratch, file)
}

// What is wrong with a text that is no JSON, without a piece of it: flows may hold what nobody else should read.
function placeOf (broken, text) {
  const found = /position (\d+)/.exec(broken.message)
  if (!found) return 'is no JSON: it ends too early'
  const lines = text.slice(0, Number(found[1])).split('\n')
  return `is no JSON from line ${lines.length}, column ${lines.at(-1).length + 1} on`
}

const isNode = node => ['id', 'type'].every(field => typeof node?.[field] === 'string' && node[field])

// The nodes of a flow file; `gone` if there is none, `why` if it is none.
function readFlows (file) {
  if (!fs.existsSync(file)) return { nodes: [], gone: true }
  const text = fs.readFileSync(file, 'utf8')
  try {
    const nodes = JSON.parse(text)
    return Array.isArray(nodes) && nodes.every(isNode) ? { nodes } : { nodes: [], why: 'is no list of nodes with id and type' }
  } catch (broken) {
    return { nodes: [], why: placeOf(broken, text) }
  }
}

// An object that this program wrote, `otherwise` if it is gone or unreadable.
function readOwn (file, otherwise) {
  try {
    const found = JSON.parse(fs.readFileSync(file, 'utf8'))
    return found !== null && typeof found === 'object' ? found : otherwise
  } catch {
    return otherwise
  }
}

// Out of the way, never overwritten, with the logins that belong to it.
function putAside (file, logins) {
  const mark = ASIDE + new Date().toISOString().replace(/[:.]/g, '-')
  if (fs.existsSync(logins)) fs.copyFileSync(logins, logins + mark)
  fs.renameSync(file, file + mark)
}

// A sentence for each flow file that was put aside and is still there.
function asides (file) {
  const [folder, begin] = [path.dirname(file), path.basename(file) + ASIDE]
  const names = fs.existsSync(folder) ? fs.readdirSync(folder).filter(name => name.startsWith(begin)).sort() : []
  return names.map(name => {
    const aside = path.join(folder, name)
    return `${aside} ${readFlows(aside).why ?? 'is whole again'}: it was the flow file, is kept untouched, and the lab's own flows ` +
      'were made anew; docs/howto/an-old-flow.md says how to mend it or to be rid of it'
  })
}

module.exports = { readFlows, readOwn, store, putAside, asides }
