'use strict'
// Node-RED's settings in the lab: behind a login, its data on the volume, and nothing fetched from outside.

const crypto = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const bcrypt = require('bcryptjs')

const config = process.env.NODE_RED_CONFIG ?? '/etc/node-red'
const secrets = process.env.NODE_RED_SECRETS ?? '/run/secrets'
const data = process.env.NODE_RED_DATA ?? '/data'
const lab = JSON.parse(fs.readFileSync(path.join(config, 'lab.json'), 'utf8'))
const secret = (...names) => fs.readFileSync(path.join(secrets, ...names), 'utf8').trim()

module.exports = {
  uiHost: process.env.NODE_RED_HOST ?? '0.0.0.0',
  uiPort: Number(process.env.NODE_RED_PORT ?? 1880),
  userDir: data,
  flowFile: 'flows.json',
  flowFilePretty: true,
  credentialSecret: secret('key', 'key'),
  nodesDir: path.join(__dirname, 'nodes'),
  nodesExcludes: ['90-exec.js'], // a shell in the pod is no part of a flow
  iotlab: lab,

  adminAuth: {
    type: 'credentials',
    users: [{ username: lab.admin, password: bcrypt.hashSync(secret('users', lab.admin), 10), permissions: '*' }],
    sessionExpiryTime: 12 * 3600
  },
  httpNodeRoot: false, // pages of flows would stand beside the login, not behind it
  requireHttps: false, // TLS is the ingress's

  telemetry: { enabled: false, updateNotification: false },
  externalModules: {
    autoInstall: false,
    palette: { allowInstall: false, allowUpdate: false, allowUpload: false },
    modules: { allowInstall: false, allowUpdate: false }
  },
  contextStorage: {
    default: { module: 'localfilesystem', config: { flushInterval: 5 } }, // so many seconds a kill -9 takes back
    memory: { module: 'memory' } // what only this process knows, as a request on its way
  },
  diagnostics: { enabled: true, ui: true },
  runtimeState: { enabled: false, ui: false },
  exportGlobalContextKeys: false,
  functionExternalModules: false,
  functionGlobalContext: {},
  debugMaxLength: 1000,
  mqttReconnectTime: 2000,
  serialReconnectTime: 15000,
  logging: { console: { level: process.env.NODE_RED_LOG ?? 'info', metrics: false, audit: false } },
  editorTheme: {
    page: { title: 'Node-RED - iotlab' },
    header: { title: 'Node-RED - iotlab' },
    tours: false,
    palette: { catalogues: [] },
    projects: { enabled: false },
    userMenu: true
  },
  instanceId: crypto.createHash('sha256').update(lab.edge).digest('hex').slice(0, 16)
}
