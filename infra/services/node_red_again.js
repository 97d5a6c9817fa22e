// Incidents that Camunda does not have yet and that no try is at work on, as after Camunda, Node-RED or a deploy was in the way.
const AT_A_TIME = 50
const waiting = flow.get('waiting') ?? {}
const known = flow.get('known', 'memory') ?? {}
const due = Object.keys(waiting).filter(key => !(known[key] > Date.now())).slice(0, AT_A_TIME)
for (const key of due) known[key] = Date.now() + {{ at_work_ms }}
flow.set('known', known, 'memory')
return [due.map(key => ({
  start: waiting[key],
  payload: { processInstanceBusinessKey: key, processDefinitionKey: '{{ process }}' }
}))]
