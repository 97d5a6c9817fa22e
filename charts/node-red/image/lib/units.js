'use strict'
// Flows taken apart into what is provisioned as one: a tab or subflow with its nodes, or a node that all tabs share.

const crypto = require('node:crypto')

const LAYOUT = new Set(['x', 'y', 'w', 'h']) // where a node is drawn; moving one is no change of what the flow does
const empty = value => value === '' || value === false || value === null || value === undefined || (Array.isArray(value) && !value.length)

function byUnit (nodes) {
  const units = new Map()
  const holders = new Set(nodes.filter(({ type }) => type === 'tab' || type === 'subflow').map(({ id }) => id))
  for (const node of nodes) {
    const unit = holders.has(node.z) ? node.z : node.id
    if (!units.has(unit)) units.set(unit, [])
    units.get(unit).push(node)
  }
  return units
}

function plain (value) {
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.keys(value).sort().map(key => [key, plain(value[key])]))
}

// What a node does: without its place, and without the empty fields that the editor adds when it deploys.
function meaning (node) {
  const said = Object.entries(node).filter(([key, value]) => !LAYOUT.has(key) && !empty(value))
  return Object.fromEntries(said.map(([key, value]) => [key, plain(value)]))
}

function fingerprint (nodes) {
  const said = nodes.map(meaning).sort((a, b) => (a.id < b.id ? -1 : 1)).map(node => JSON.stringify(plain(node)))
  return crypto.createHash('sha256').update(said.join('\n')).digest('hex').slice(0, 16)
}

const nameOf = node => `${node.type} '${node.name || node.label || node.id}'`

function labelOf (nodes, unit) {
  const head = nodes.find(({ id }) => id === unit)
  return head ? nameOf(head) : unit
}

module.exports = { byUnit, fingerprint, labelOf, meaning, nameOf }
