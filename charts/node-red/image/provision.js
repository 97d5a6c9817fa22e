'use strict'
// Brings the lab's flows and logins onto the volume before Node-RED starts: `node provision.js`; `--reset` gives up changes.
//
// A unit is a tab with its nodes, or a node that all tabs share. A unit that nobody changed since it was laid there is
// replaced by the new one; one that somebody changed or deleted is kept so and reported with the difference, in the log and in
// provisioning.json; tabs that people made are theirs. Two things hold for changed units as well: the logins of the
// mounted Secrets, and which node carries MQTT to Kafka, for exactly one carrier may.

const fs = require('node:fs')
const path = require('node:path')
const { Credentials } = require('./lib/credentials.js')
const { byUnit, fingerprint, difference, labelOf } = require('./lib/units.js')
const { refuseUnknownTopics } = require('./lib/topics.js')

const config = process.env.NODE_RED_CONFIG ?? '/etc/node-red'
const secrets = process.env.NODE_RED_SECRETS ?? '/run/secrets'
const data = process.env.NODE_RED_DATA ?? '/data'
const FLOWS = path.join(data, 'flows.json')
const REPORT = path.join(data, 'provisioning.json')

const say = text => process.stdout.write(`provision: ${text}\n`)
const secret = (...names) => fs.readFileSync(path.join(secrets, ...names), 'utf8').trim()

// What a file says, `otherwise` if it is not there; one that cannot be read is put aside, never overwritten.
function load (file, otherwise) {
  if (!fs.existsSync(file)) return otherwise
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch (broken) {
    const aside = `${file}.broken-${Date.now()}`
    fs.renameSync(file, aside)
    say(`${file} is no JSON (${broken.message}); it is kept as ${aside} and made anew`)
    return otherwise
  }
}

function store (file, value) {
  const scratch = `${file}.new`
  fs.writeFileSync(scratch, JSON.stringify(value, null, 4) + '\n', { mode: 0o600 })
  fs.renameSync(scratch, file)
}

// The nodes that Node-RED shall start with, and what of the lab's own was changed by people.
function merge (wanted, there, last, reset) {
  const [fresh, old] = [byUnit(wanted), byUnit(there)]
  const nodes = []
  const kept = []
  for (const [unit, own] of old) {
    const known = last[unit]
    if (known === undefined && !fresh.has(unit)) nodes.push(...own) // made by people
    else if (!reset && fingerprint(own) !== known && fingerprint(own) !== fingerprint(fresh.get(unit) ?? [])) {
      nodes.push(...own)
      kept.push({ unit, label: labelOf(own, unit), changes: difference(fresh.get(unit) ?? [], own) })
    }
  }
  const stays = new Set(kept.map(({ unit }) => unit))
  for (const [unit, made] of fresh) {
    if (stays.has(unit)) continue
    if (!reset && !old.has(unit) && last[unit] !== undefined) {
      kept.push({ unit, label: labelOf(made, unit), changes: ['it was deleted'] })
    } else nodes.push(...made)
  }
  return { nodes, kept }
}

// An edited tab may not make a second carrier, or none.
function setCarrier (nodes, { node, enabled }) {
  const found = nodes.find(({ id }) => id === node)
  if (!found) return enabled ? [`nothing carries MQTT to Kafka: the node ${node} was deleted; ./lab node-red reset brings it back`] : []
  if (enabled) delete found.d
  else found.d = true
  const tab = nodes.find(({ id }) => id === found.z)
  return enabled && tab?.disabled ? [`nothing carries MQTT to Kafka: the tab '${tab.label}' is disabled`] : []
}

function main () {
  const lab = JSON.parse(fs.readFileSync(path.join(config, 'lab.json'), 'utf8'))
  const wanted = JSON.parse(fs.readFileSync(path.join(config, 'flows.json'), 'utf8'))
  refuseUnknownTopics(wanted, lab.topics)
  const there = load(FLOWS, [])
  for (const node of [...wanted, ...there]) if (node.id === lab.carrier.node) delete node.d // the setting's, no edit
  const last = load(REPORT, {}).provisioned ?? {}
  const { nodes, kept } = merge(wanted, there, last, process.argv.includes('--reset'))
  const warnings = setCarrier(nodes, lab.carrier)
  const provisioned = Object.fromEntries([...byUnit(wanted)].map(([unit, made]) => [unit, fingerprint(made)]))
  for (const { unit } of kept) provisioned[unit] = last[unit] ?? '' // still compared with what was laid there
  store(FLOWS, nodes)
  const credentials = new Credentials(path.join(data, 'flows_cred.json'), secret('key', 'key'), say)
  credentials.set(nodes, lab.logins, login => secret(login.secret, 'password'))
  fs.rmSync(path.join(data, '.sessions.json'), { force: true }) // a renewed password ends the sessions of the old one
  store(REPORT, { at: new Date().toISOString(), provisioned, kept, warnings })
  for (const warning of warnings) say(warning)
  for (const { label, changes } of kept) for (const change of changes) say(`${label} is kept as people changed it: ${change}`)
  say(`${nodes.length} nodes, ${kept.length} of the lab's own units changed by people`)
}

try {
  main()
} catch (failed) {
  say(failed.message)
  process.exitCode = 1
}
