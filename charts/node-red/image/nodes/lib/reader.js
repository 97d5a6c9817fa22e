'use strict'
// Reads topics as a member of a consumer group; goes on by itself after Kafka was away, from where it had got to.

const RETRY_MS = 500

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

class Reader {
  // `from` is where a group without offsets begins: `earliest` or `latest`.
  constructor ({ brokers, sasl, clientId, group, topics, from, onMessage, onState }) {
    Object.assign(this, { brokers, sasl, clientId, group, topics, from, onMessage, onState })
    this.closing = false
    this.running = this.#run()
  }

  async #run () {
    while (!this.closing) {
      try {
        await this.#read()
      } catch (failed) {
        if (this.closing) break
        this.onState('away', failed.message)
      }
      await this.consumer?.close(true).catch(() => {})
      if (!this.closing) await sleep(RETRY_MS)
    }
  }

  async #read () {
    const { Consumer } = await import('@platformatic/kafka')
    this.consumer = new Consumer({
      clientId: this.clientId,
      groupId: this.group,
      bootstrapBrokers: this.brokers,
      sasl: this.sasl,
      retries: Number.MAX_SAFE_INTEGER,
      retryDelay: (client, operation, attempt, retries, error) => {
        this.onState('away', error.errors?.[0]?.message ?? error.message)
        this.away = true
        return RETRY_MS
      },
      connectTimeout: 3000,
      timeout: 10_000,
      sessionTimeout: 10_000,
      heartbeatInterval: 1000,
      autocreateTopics: false
    })
    this.consumer.on('consumer:heartbeat:end', () => this.#back())
    await this.consumer.metadata({ topics: this.topics, retries: 0 }) // an unknown topic is said, not waited for
    this.stream = await this.consumer.consume({ topics: this.topics, mode: 'committed', fallbackMode: this.from, autocommit: true, maxWaitTime: 100 })
    this.onState('connected')
    for await (const message of this.stream) {
      this.#back()
      this.onMessage(message)
    }
  }

  #back () {
    if (this.away) this.onState('connected')
    this.away = false
  }

  async close () {
    this.closing = true
    await Promise.race([this.consumer?.close(true).catch(() => {}), sleep(3000)])
  }
}

module.exports = { Reader }
