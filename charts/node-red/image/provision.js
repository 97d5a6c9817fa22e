'use strict'
// Brings the lab's flows and logins onto the volume before Node-RED starts: `node provision.js`; `--reset` gives up changes,
// `--report` changes nothing and prints what people changed as one JSON object, also while Node-RED runs.
//
// A unit is a tab with its nodes, or a node that all tabs share. A unit that nobody changed since it was laid there is
// replaced by the new one; one that somebody changed or deleted is kept so and reported with its difference; tabs that people
// made are theirs. Three things hold for changed units and people's tabs as well: the logins of the mounted Secrets, which
// node carries MQTT to Kafka, for exactly one carrier may, and that a node of the lab's own which names an unknown topic is off.

const fs = require('node:fs')
const path = require('node:path')
const { Credentials } = require('./lib/credentials.js')
const { difference } = require('./lib/difference.js')
const { hiding } = require('./lib/hidden.js')
const { unknownTopics } = require('./lib/topics.js')
const { byUnit, fingerprint, labelOf } = require('./lib/units.js')
const { readFlows, readOwn, store, putAside, asides } = require('./lib/volume.js')

const config = process.env.NODE_RED_CONFIG ?? '/etc/node-red'
const secrets = process.env.NODE_RED_SECRETS ?? '/run/secrets'
const data = process.env.NODE_RED_DATA ?? '/data'
const FLOWS = path.join(data, 'flows.json')
const LOGINS = path.join(data, 'flows_cred.json')
const RECORD = path.join(data, 'provisioning.json')

const say = text => process.stdout.write(`provision: ${text}\n`)
const secret = (...names) => fs.readFileSync(path.join(secrets, ...names), 'utf8').trim()
const password = login => secret(login.secret, 'password')

// The nodes that Node-RED shall start with, and what of the lab's own was changed by people, as `tell` says it.
function merge (wanted, there, last, reset, tell) {
  const [fresh, old] = [byUnit(wanted), byUnit(there)]
  const nodes = []
  const kept = []
  for (const [unit, own] of old) {
    const known = last[unit]
    if (known === undefined && !fresh.has(unit)) nodes.push(...own) // made by people
    else if (!reset && fingerprint(own) !== known && fingerprint(own) !== fingerprint(fresh.get(unit) ?? [])) {
      nodes.push(...own)
      const made = fresh.get(unit) ?? []
      kept.push({ unit, label: labelOf(made.length ? made : own, unit), changes: tell(made, own) })
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

// A changed flow of the lab's cannot be refused as a whole, for then nothing would start: the node alone is. What people drew
// is told of and left as it is: they may have made the topic.
function refuse (nodes, wanted, topics, running) {
  const own = new Set(wanted.map(({ id }) => id))
  return unknownTopics(nodes, topics).map(({ node, sentence, follows }) => {
    if (!own.has(node.id)) return `${sentence}; ${follows} unless you have made it`
    const done = running && !node.d ? 'the next start disables it: name one of them' : 'it is disabled: name one of them and enable it'
    node.d = true
    return `${sentence}; ${done}`
  })
}

// Everything that a start would do, and nothing of it done.
function planned (lab, { reset, running }) {
  const wanted = JSON.parse(fs.readFileSync(path.join(config, 'flows.json'), 'utf8'))
  for (const { sentence } of unknownTopics(wanted, lab.topics)) throw new Error(sentence)
  const found = readFlows(FLOWS)
  for (const node of [...wanted, ...found.nodes]) if (node.id === lab.carrier.node) delete node.d // the setting's, no edit
  const whole = !found.why && !found.gone // else nobody deleted what is missing
  const last = whole ? readOwn(RECORD, {}).provisioned ?? {} : {}
  const hidden = hiding([secret('users', lab.admin), secret('key', 'key'), ...lab.logins.map(password)])
  const tell = (made, own) => difference(made, own, { hidden, values: running }) // a log is read by more than who asks
  const { nodes, kept } = merge(wanted, found.nodes, last, reset, tell)
  const warnings = [...setCarrier(nodes, lab.carrier), ...refuse(nodes, wanted, lab.topics, running)]
  const provisioned = Object.fromEntries([...byUnit(wanted)].map(([unit, made]) => [unit, fingerprint(made)]))
  for (const { unit } of kept) provisioned[unit] = last[unit] ?? '' // still compared with what was laid there
  return { nodes, kept, warnings, provisioned, why: found.why }
}

function report (lab) {
  const { kept, warnings, why } = planned(lab, { reset: false, running: true })
  const broken = `${FLOWS} ${why}: Node-RED runs on with what it has read before; deploy in the editor and it is written anew, ` +
    "else the next start keeps it aside and makes the lab's own flows anew"
  process.stdout.write(JSON.stringify({ kept, warnings: [...why ? [broken] : [], ...asides(FLOWS), ...warnings] }))
}

function provision (lab, reset) {
  const { nodes, kept, warnings, provisioned, why } = planned(lab, { reset, running: false })
  if (why) putAside(FLOWS, LOGINS)
  store(FLOWS, nodes)
  new Credentials(LOGINS, secret('key', 'key'), say).set(nodes, lab.logins, password)
  fs.rmSync(path.join(data, '.sessions.json'), { force: true }) // a renewed password ends the sessions of the old one
  store(RECORD, { at: new Date().toISOString(), provisioned })
  for (const warning of [...asides(FLOWS), ...warnings]) say(warning)
  for (const { label, changes } of kept) for (const line of [`${label} is kept as people changed it`, ...changes]) say(line)
  say(`${nodes.length} nodes, ${kept.length} of the lab's own units changed by people`)
}

try {
  const lab = JSON.parse(fs.readFileSync(path.join(config, 'lab.json'), 'utf8'))
  process.argv.includes('--report') ? report(lab) : provision(lab, process.argv.includes('--reset'))
} catch (failed) {
  process.stderr.write(`provision: ${failed.message}\n`) // where kubectl exec's caller looks for a reason
  process.exitCode = 1
}
