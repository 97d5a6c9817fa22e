'use strict'
// Carries an outbox to Kafka: one batch at a time in the order taken, acknowledged by all in-sync replicas.
//
// The client is idempotent and goes on trying, so a batch whose answer was lost with a killed broker is not written twice. What
// Kafka refuses for good goes to the dead-letter topic with the reason and never stops what is behind it.

const { partitionOf } = require('./record.js')

const BATCH = 500
const BATCH_BYTES = 512 << 10 // as the outbox keeps it: below Kafka's 1 MB a batch
const RETRY_MS = 500
const ASK_MS = 5000 // how often a courier with nothing to carry asks whether Kafka is there
const UNKNOWN_MS = 10_000 // so long a topic may be unknown, after a restart of Kafka, before that counts as refused
const CUT_BYTES = 65_536
const FOR_GOOD = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_TOPIC_EXCEPTION', 'INVALID_RECORD', 'TOPIC_AUTHORIZATION_FAILED']

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

class Refused extends Error {}

class Courier {
  // `onState({kind, why, waiting})` hears of every change; `onRefused(message, reason)` of every dead letter.
  constructor ({ brokers, sasl, clientId, edge, outbox, deadLetterTopic, onState, onRefused }) {
    Object.assign(this, { brokers, sasl, clientId, edge, outbox, deadLetterTopic, onState, onRefused })
    this.kind = 'connecting'
    this.why = ''
    this.delivered = 0 // since the start, dead letters left out
    this.refused = 0
    this.unknown = new Map() // topic -> since when Kafka says that it has none of that name
    this.asked = new Map() // topic of those -> when Kafka was asked about it last
    this.fresh = false // whether something was taken since the outbox was looked at
    this.closing = false
    this.running = this.#run()
  }

  get state () {
    return { kind: this.kind, why: this.why, waiting: this.outbox.waiting, delivered: this.delivered, refused: this.refused }
  }

  // Take a record; it is on the disk when this returns.
  put (record) {
    if (Date.now() - (this.unknown.get(record.topic) ?? Infinity) > UNKNOWN_MS) {
      this.#askAgain(record.topic)
      throw new Refused(this.#noTopic(record.topic))
    }
    this.outbox.append(record)
    this.fresh = true
    this.wake?.()
    this.onState(this.state)
  }

  #noTopic (topic) {
    return `Kafka has no topic '${topic}'; topics are made by the lab's configuration, not by flows`
  }

  // Nothing of a refused topic reaches the outbox any more, so nobody else would notice that the topic has come.
  #askAgain (topic) {
    if (Date.now() - (this.asked.get(topic) ?? 0) < ASK_MS) return
    this.asked.set(topic, Date.now())
    this.producer?.metadata({ topics: [topic], forceUpdate: true, retries: 0 }).then(() => this.unknown.delete(topic), () => {})
  }

  #is (kind, why = '') {
    this.kind = kind
    this.why = why
    this.onState(this.state)
  }

  async #connect () {
    const { Producer } = await import('@platformatic/kafka')
    return new Producer({
      clientId: this.clientId,
      bootstrapBrokers: this.brokers,
      sasl: this.sasl,
      idempotent: true, // and so acks from all in-sync replicas, one request at a time
      retries: Number.MAX_SAFE_INTEGER,
      retryDelay: (client, operation, attempt, retries, error) => {
        if (error.findBy?.('apiId', 'UNKNOWN_TOPIC_OR_PARTITION') && attempt * RETRY_MS > UNKNOWN_MS) client.close(true).catch(() => {})
        this.#is('away', error.errors?.[0]?.message ?? error.message)
        return RETRY_MS
      },
      connectTimeout: 3000,
      timeout: 10_000,
      autocreateTopics: false
    })
  }

  async #run () {
    while (!this.closing) {
      try {
        this.producer ??= await this.#connect()
        this.fresh = false
        const batch = this.outbox.peek(BATCH, BATCH_BYTES)
        if (batch) await this.#carry(batch)
        else await this.#idle()
      } catch (failed) {
        if (this.closing) break
        this.#is('away', failed.message)
        this.producer?.close(true).catch(() => {})
        this.producer = null
        await sleep(RETRY_MS)
      }
    }
  }

  async #idle () {
    if (this.kind !== 'connected') await this.#ask()
    if (this.fresh) return // taken while it asked, when there was nobody to wake
    const woken = await new Promise(resolve => {
      const timer = setTimeout(resolve, ASK_MS, false)
      this.wake = () => { clearTimeout(timer); resolve(true) }
    })
    this.wake = null
    if (!woken) await this.#ask()
  }

  async #ask () {
    await this.producer.metadata({ topics: [], forceUpdate: true, retries: 0 })
    this.#is('connected')
  }

  async #carry (batch) {
    try {
      await this.#send(batch.messages)
      this.outbox.advance(batch.messages.length, batch.end)
      this.delivered += batch.messages.length
    } catch (failed) {
      if (this.closing || !this.#forGood(failed)) throw failed
      await this.#singly(batch.messages.length)
    }
    this.#is('connected')
  }

  // One of them was refused: each goes alone, so that only that one is a dead letter.
  async #singly (count) {
    for (let index = 0; index < count; index++) {
      const { messages: [message], end } = this.outbox.peek(1, BATCH_BYTES)
      try {
        await this.#send([message])
        this.delivered++
      } catch (failed) {
        if (this.closing || !this.#forGood(failed)) throw failed
        await this.#bury(message, failed instanceof Refused ? failed.message : failed.findBy?.('canRetry', false)?.message ?? failed.message)
      }
      this.outbox.advance(1, end)
    }
  }

  #forGood (failed) {
    return failed instanceof Refused || FOR_GOOD.some(id => failed.findBy?.('apiId', id))
  }

  async #bury (message, reason) {
    const value = Buffer.from(message.value, 'base64')
    const headers = { ...message.headers, reason: reason.slice(0, 1000), source: `${this.edge} ${message.topic}`, size: String(value.length) }
    const letter = { ...message, topic: this.deadLetterTopic, value: value.subarray(0, CUT_BYTES).toString('base64'), headers }
    try {
      if (this.deadLetterTopic) await this.#send([letter])
    } catch (failed) {
      if (!this.#forGood(failed)) throw failed
    }
    this.refused++
    this.onRefused(message, reason)
  }

  async #partitions (topics) {
    for (const topic of topics) {
      try {
        await this.producer.metadata({ topics: [topic], retries: 0 })
        this.unknown.delete(topic)
      } catch (failed) {
        if (!/^Unknown topic /.test(failed.message)) throw failed
        if (!this.unknown.has(topic)) this.unknown.set(topic, Date.now())
        if (Date.now() - this.unknown.get(topic) <= UNKNOWN_MS) throw failed
        throw new Refused(this.#noTopic(topic))
      }
    }
    return (await this.producer.metadata({ topics, retries: 0 })).topics
  }

  async #send (messages) {
    const topics = await this.#partitions([...new Set(messages.map(message => message.topic))])
    const records = messages.map(({ topic, key, value, headers }) => {
      const bytes = key === null ? null : Buffer.from(key, 'base64')
      const named = Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)])
      const partition = partitionOf(bytes, topics.get(topic).partitionsCount)
      return { topic, key: bytes ?? undefined, value: Buffer.from(value, 'base64'), headers: new Map(named), partition }
    })
    await this.producer.send({ messages: records })
  }

  async close () {
    this.closing = true
    this.wake?.()
    await Promise.race([this.running, sleep(1000)]) // what is on its way may still arrive
    await this.producer?.close(true).catch(() => {})
    await Promise.race([this.running, sleep(2000)])
    this.outbox.close()
  }
}

module.exports = { Courier, Refused }
