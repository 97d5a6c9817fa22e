// The last readings of each device, for the incident that an alert will make; told apart as apps/telemetry does.
const KEPT = 20 // as many as a text variable of Camunda's holds
const MOST_DEVICES = 1000 // the one silent for longest goes first
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/
const levels = msg.mqtt.topic.split('/')
if (levels[1] === 'actors') return null // a command to a board
const device = levels.length === 3 ? levels[1] : '{{ edge }}'
const cells = msg.payload.replace(/[\0 \r\n\t]+$/, '').split(',').map(cell => cell.trim())
const [sensor, temp, hum, condition] = cells
if (cells.length !== 4 || !/^(0[xX])?[0-9A-Fa-f]{1,8}$/.test(sensor) || parseInt(sensor, 16) >= 2 ** 31) return null
if (!NUMBER.test(temp) || !NUMBER.test(hum) || !['low', 'middle', 'high'].includes(condition)) return null
const readings = flow.get('readings') ?? {}
const time = new Date(msg.mqtt.arrival).toISOString().slice(0, 19) + 'Z'
const last = [...(Object.hasOwn(readings, device) ? readings[device] : []), { time, temp: Number(temp), hum: Number(hum), class: condition }].slice(-KEPT)
delete readings[device] // so that it stands last
readings[device] = last
const devices = Object.keys(readings)
if (devices.length > MOST_DEVICES) delete readings[devices[0]]
flow.set('readings', readings)
return null
