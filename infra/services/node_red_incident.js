// One process instance for each device, kind of alert and ten minutes, whatever is delivered twice: between the first line
// and the last nothing else of Node-RED runs, so of two copies within a millisecond the second finds what the first noted.
const WINDOW_MS = 10 * 60 * 1000
const LONGEST_NAME = 64
const MOST_WAITING = 1000 // boards choose device and kind, and each waits on disk and in memory, 4 kB at most
const levels = msg.mqtt.topic.split('/')
if (levels[1] === 'actors') return null // a command to a board
const text = msg.payload.replace(/[\0 \r\n\t]+$/, '').trimStart()
const kind = text.startsWith('alert') ? text.slice('alert'.length).replace(/^[: ]+/, '') : ''
const device = levels.length === 3 ? levels[1] : '{{ edge }}'
if (!kind || [kind, device].some(name => name.length > LONGEST_NAME || /[\p{C}\p{Zl}\p{Zp}]/u.test(name))) {
  node.warn(`no process is started: '${text.slice(0, 80)}' of ${device.slice(0, 80)} is not 'alert: ' and what raised it`)
  return null
}
const iso = time => new Date(time).toISOString().slice(0, 19) + 'Z'
// the same key as iot-kafka-alert makes, so that a change of who starts processes starts none twice
const key = [device, kind, iso(Math.floor(msg.mqtt.arrival / WINDOW_MS) * WINDOW_MS)].join('/')
const waiting = flow.get('waiting') ?? {} // on disk: incidents that Camunda does not have yet
const known = flow.get('known', 'memory') ?? {} // until when a try is at work; Infinity: Camunda has it
if (key in waiting || known[key] === Infinity) return null
if (Object.keys(waiting).length >= MOST_WAITING) {
  node.error(`${key} is dropped, no process is started: ${MOST_WAITING} incidents wait for Camunda already`)
  return null
}
const remembered = flow.get('readings') ?? {}
const readings = Object.hasOwn(remembered, device) ? remembered[device] : []
const quoted = encodeURIComponent(device).replace(/[!'()*]/g, sign => '%' + sign.charCodeAt(0).toString(16).toUpperCase())
const texts = {
  device,
  edge: '{{ edge }}',
  severity: readings.at(-1)?.class === 'high' ? 'critical' : 'warning',
  kind,
  since: iso(msg.mqtt.arrival),
  readings: JSON.stringify(readings),
  dashboard: '{{ dashboard }}'.replace('{device}', quoted)
}
const variables = Object.fromEntries(Object.entries(texts).map(([name, value]) => [name, { value, type: 'String' }]))
waiting[key] = { businessKey: key, variables }
flow.set('waiting', waiting)
known[key] = Date.now() + {{ at_work_ms }}
flow.set('known', known, 'memory')
return { start: waiting[key], payload: { processInstanceBusinessKey: key, processDefinitionKey: '{{ process }}' } }
