'use strict'
// Which Kafka topics nodes name, and which of those the lab does not make.

const READERS = new Set(['Kafka Consumer', 'Kafka Consumer Group', 'kafka in'])
const KAFKA = new Set(['Kafka Producer', 'kafka', ...READERS])
const FILLED_IN = '${' // Node-RED puts a value of the environment there when it starts

// Of a node, as the editor or an older palette wrote it.
function topicsOf ({ topics, topic }) {
  const named = topics?.length ? topics : topic ?? ''
  const listed = Array.isArray(named) ? named.map(entry => entry?.topic ?? entry) : String(named).split(',')
  return listed.map(entry => String(entry ?? '').trim()).filter(Boolean)
}

// Node, sentence, and what follows, of all that name a topic which is not `known`.
function unknownTopics (nodes, known) {
  const tabs = new Map(nodes.filter(({ type }) => type === 'tab').map(({ id, label }) => [id, label]))
  const found = []
  for (const node of nodes.filter(({ type }) => KAFKA.has(type))) {
    const wrong = topicsOf(node).find(topic => !topic.includes(FILLED_IN) && !known.includes(topic))
    const where = `flow '${tabs.get(node.z) || node.z}', node '${node.name || node.id}'`
    if (!wrong) continue
    const sentence = `${where}: '${wrong}' is not among the lab's topics: ${known.join(', ')}`
    found.push({ node, sentence, follows: READERS.has(node.type) ? 'it reads nothing' : 'its records go to the dead-letter topic' })
  }
  return found
}

module.exports = { topicsOf, unknownTopics }
