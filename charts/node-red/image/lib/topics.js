'use strict'
// No flow is provisioned that writes to or reads from a topic that Kafka will not have.

const KAFKA = new Set(['Kafka Producer', 'Kafka Consumer', 'Kafka Consumer Group', 'kafka', 'kafka in'])

function topicsOf ({ topics, topic }) {
  const named = topics?.length ? topics : topic ?? ''
  const listed = Array.isArray(named) ? named.map(entry => entry?.topic ?? entry) : String(named).split(',')
  return listed.map(entry => String(entry ?? '').trim()).filter(Boolean)
}

// Node and sentence of all that name a topic which is not `known`.
function unknownTopics (nodes, known) {
  const tabs = new Map(nodes.filter(({ type }) => type === 'tab').map(({ id, label }) => [id, label]))
  const found = []
  for (const node of nodes.filter(({ type }) => KAFKA.has(type))) {
    const wrong = topicsOf(node).find(topic => !known.includes(topic))
    const where = `flow '${tabs.get(node.z) || node.z}', node '${node.name || node.id}'`
    if (wrong) found.push({ node, sentence: `${where}: there is no Kafka topic '${wrong}'; topics are ${known.join(', ')}` })
  }
  return found
}

module.exports = { unknownTopics }
