// One process instance for each device, kind of alert and ten minutes, whatever is delivered twice.
if (!msg.payload.startsWith('alert')) return null
const WINDOW_MS = 10 * 60 * 1000
const levels = msg.mqtt.topic.split('/')
const device = levels.length === 3 ? levels[1] : '{{ edge }}'
const kind = msg.payload.slice('alert'.length).replace(/[:\s\0]+/g, ' ').trim() || 'unknown'
const iso = time => new Date(time).toISOString().slice(0, 19) + 'Z'
// the same key as iot-kafka-alert makes, so that a change of who starts processes starts none twice
const key = [device, kind, iso(Math.floor(msg.mqtt.arrival / WINDOW_MS) * WINDOW_MS)].join('/')
const texts = { device, edge: '{{ edge }}', severity: 'warning', kind, since: iso(msg.mqtt.arrival), readings: '[]', dashboard: '' }
const variables = {}
for (const name of Object.keys(texts)) variables[name] = { value: texts[name], type: 'String' }
msg.start = { businessKey: key, variables }
msg.asked = { processInstanceBusinessKey: key, processDefinitionKey: '{{ process }}' }
msg.payload = msg.asked
return msg
