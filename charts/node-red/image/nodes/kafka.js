'use strict'
// The lab's Kafka nodes, under the names that old flows know: `Kafka Broker`, `Kafka Producer`, `Kafka Consumer`,
// `Kafka Consumer Group`, and `kafka`, `kafka in` of the older palette.

const fs = require('node:fs')
const path = require('node:path')
const { topicsOf } = require('../lib/topics.js')
const { Courier } = require('./lib/courier.js')
const { Outbox } = require('./lib/outbox.js')
const { Reader } = require('./lib/reader.js')
const { recordOf } = require('./lib/record.js')
const origin = require('./lib/origin.js')

const STATUS_MS = 500
const IN_PASSING = 500 // so many are on their way at a time; the status need not flicker
const DEFAULT_OUTBOX_MB = 64
const DEFAULT = 'default' // the outbox of nodes that name no broker, as those of the older palette

module.exports = function (RED) {
  const lab = RED.settings.iotlab
  const connections = new Map() // broker's id -> what its nodes share

  origin.install(RED)

  // One outbox and one courier for all producers of a broker; it carries what an earlier process left, too.
  function connection (id, cluster, outboxMb) {
    let found = connections.get(id)
    if (found) return found
    const listeners = new Set()
    const outbox = new Outbox(path.join(RED.settings.userDir, 'outbox', id), outboxMb * 2 ** 20)
    let timer = null
    const show = () => {
      timer = null
      for (const listener of listeners) listener(found.courier.state)
    }
    const courier = new Courier({
      ...cluster,
      clientId: lab.edge,
      edge: lab.edge,
      outbox,
      deadLetterTopic: lab.deadLetterTopic,
      onState: () => { timer ??= setTimeout(show, STATUS_MS) },
      onRefused: (message, reason) => RED.log.error(`Kafka refused a message for '${message.topic}': ${reason}`)
    })
    found = {
      courier,
      listeners,
      async close () {
        connections.delete(id)
        clearTimeout(timer)
        await courier.close()
      }
    }
    connections.set(id, found)
    return found
  }

  function brokersOf (config) {
    const hosts = Array.isArray(config.hosts) ? config.hosts : [{ host: config.host, port: config.port }]
    const named = hosts.filter(({ host }) => host).map(({ host, port }) => `${host}:${port || 9092}`)
    return named.length ? named : [lab.kafka]
  }

  function KafkaBroker (config) {
    RED.nodes.createNode(this, config)
    const { user, password } = this.credentials ?? {}
    this.cluster = { brokers: brokersOf(config), sasl: user ? { mechanism: 'PLAIN', username: user, password } : undefined }
    this.connection = () => connection(this.id, this.cluster, Number(config.outboxMb) || DEFAULT_OUTBOX_MB)
    if (fs.existsSync(path.join(RED.settings.userDir, 'outbox', this.id))) this.connection()
    this.on('close', done => {
      const open = connections.get(this.id)
      open ? open.close().finally(done) : done()
    })
  }

  function statusOf ({ kind, why, waiting }) {
    const text = waiting ? `${waiting} waiting` : ''
    if (kind === 'connected') return waiting > IN_PASSING ? { fill: 'yellow', shape: 'dot', text } : { fill: 'green', shape: 'dot', text: 'connected' }
    if (kind === 'connecting') return { fill: 'yellow', shape: 'ring', text: text || 'connecting' }
    return { fill: 'red', shape: 'ring', text: [text, `Kafka is away: ${why}`].filter(Boolean).join(', ').slice(0, 120) }
  }

  function KafkaProducer (config) {
    RED.nodes.createNode(this, config)
    const broker = RED.nodes.getNode(config.broker)
    const shared = broker ? broker.connection() : connection(DEFAULT, { brokers: [lab.kafka] }, DEFAULT_OUTBOX_MB)
    const listener = state => this.status(statusOf(state))
    shared.listeners.add(listener)
    listener(shared.courier.state)
    this.on('input', (msg, send, done) => {
      try {
        shared.courier.put(recordOf(msg, { topic: config.topic, key: config.key, edge: lab.edge }))
        done()
      } catch (failed) {
        this.status({ fill: 'red', shape: 'dot', text: failed.message.slice(0, 120) })
        done(failed) // which a catch node hears
      }
    })
    this.on('close', done => {
      shared.listeners.delete(listener)
      const last = !broker && shared.listeners.size === 0
      last ? shared.close().finally(done) : done()
    })
  }

  function KafkaReader (config) {
    RED.nodes.createNode(this, config)
    const topics = topicsOf(config)
    if (!topics.length) {
      this.status({ fill: 'red', shape: 'dot', text: 'no topic' })
      return
    }
    const raw = config.encoding === 'buffer'
    const reader = new Reader({
      ...(RED.nodes.getNode(config.broker)?.cluster ?? { brokers: [lab.kafka] }),
      clientId: lab.edge,
      group: config.groupId || `${lab.edge}-${this.id}`,
      topics,
      from: config.fromOffset === 'earliest' ? 'earliest' : 'latest',
      onMessage: message => this.send({
        topic: message.topic,
        payload: raw ? message.value : message.value?.toString() ?? '',
        key: message.key?.toString() ?? null,
        offset: Number(message.offset),
        partition: message.partition,
        headers: Object.fromEntries([...message.headers].map(([name, value]) => [name.toString(), value?.toString() ?? null]))
      }),
      onState: (kind, why) => this.status(statusOf({ kind, why, waiting: 0 }))
    })
    this.status(statusOf({ kind: 'connecting', waiting: 0 }))
    this.on('close', done => reader.close().finally(done))
  }

  // How each broker's outbox stands, for the doctor.
  RED.httpAdmin.get('/iotlab/kafka', RED.auth.needsPermission('status.read'), (request, response) => {
    response.json([...connections].map(([id, { courier }]) => ({ id, ...courier.state })))
  })

  const login = { credentials: { user: { type: 'text' }, password: { type: 'password' } } }
  RED.nodes.registerType('Kafka Broker', KafkaBroker, login)
  RED.nodes.registerType('Kafka Producer', KafkaProducer)
  RED.nodes.registerType('Kafka Consumer', KafkaReader)
  RED.nodes.registerType('Kafka Consumer Group', KafkaReader)
  RED.nodes.registerType('kafka', KafkaProducer)
  RED.nodes.registerType('kafka in', KafkaReader)
}
