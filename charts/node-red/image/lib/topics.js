'use strict'
// No flow is provisioned that writes to or reads from a topic that Kafka will not have.

const KAFKA = new Set(['Kafka Producer', 'Kafka Consumer', 'Kafka Consumer Group', 'kafka', 'kafka in'])

function topicsOf ({ topics, topic }) {
  const listed = Array.isArray(topics) ? topics : String(topics ?? topic ?? '').split(',')
  return listed.map(entry => (typeof entry === 'object' ? entry.topic : entry).trim()).filter(Boolean)
}

function refuseUnknownTopics (nodes, known) {
  const tabs = new Map(nodes.filter(({ type }) => type === 'tab').map(({ id, label }) => [id, label]))
  for (const node of nodes.filter(({ type }) => KAFKA.has(type))) {
    for (const topic of topicsOf(node)) {
      if (!known.includes(topic)) {
        const where = `flow '${tabs.get(node.z) ?? node.z}', node '${node.name || node.id}'`
        throw new Error(`${where}: there is no Kafka topic '${topic}'; topics are ${known.join(', ')}`)
      }
    }
  }
}

module.exports = { refuseUnknownTopics }
