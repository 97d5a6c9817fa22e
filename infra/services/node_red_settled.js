// What became of a try: Camunda has the incident, refuses it for good, or is asked again.
const MOST_KEYS = 10000 // remembered, so that a storm of alerts doesn't ask Camunda for each
const LATER = [401, 403, 404, 408, 429] // a login being renewed, a process not deployed yet, too much at once
const key = msg.start.businessKey
const waiting = flow.get('waiting') ?? {}
const known = flow.get('known', 'memory') ?? {}
const refused = !msg.error && msg.statusCode >= 400 && msg.statusCode < 500 && !LATER.includes(msg.statusCode)
delete known[key] // so that it stands last
if (refused) node.error(`Camunda refuses ${key} for good: ${msg.statusCode} ${JSON.stringify(msg.payload).slice(0, 300)}`)
if (refused || (!msg.error && msg.statusCode === 200)) {
  delete waiting[key]
  flow.set('waiting', waiting)
  known[key] = Infinity
  const keys = Object.keys(known)
  if (keys.length > MOST_KEYS) delete known[keys[0]]
}
flow.set('known', known, 'memory')
return known[key] ? msg : null
