import { expect, test } from 'vitest'
import { type ConnectionLimits, type ServiceConnections, integer, mapTable, table, topic } from '../index.ts'
import { connectionMistakes } from './connection-mistakes.ts'

const notes = table('notes', { columns: { id: integer() }, key: ['id'], aggregate: 'Note', topic: topic('notes') })

function mistakesOf(connections: readonly ServiceConnections[], connectionLimits?: ConnectionLimits): readonly string[] {
  const url = new URL('file:///none/')
  const services = Object.fromEntries(
    connections.map((own, i) => [
      `service_${i + 1}`,
      { migrations: url, projections: [mapTable(notes, { into: 'notes' })], connections: own },
    ]),
  )
  const limits = connectionLimits === undefined ? {} : { connectionLimits }
  const system = { name: 'shop', avroSchemas: url, monolith: { tables: [notes] }, services, ...limits }
  return connectionMistakes(system).map(({ place, problem }) => `${place}: ${problem}`)
}

test('connections that add up are no mistake', () => {
  const server = { server: 100, pool: 20, clients: 100 }
  expect(mistakesOf([server, server], { total: 200, reserved: 100, monitoring: 44 })).toEqual([])
  expect(mistakesOf([server])).toEqual([])
})

test('a pool that leaves its server no room for Sluice is a mistake', () => {
  expect(mistakesOf([{ server: 31, pool: 20 }])).toEqual([])
  expect(mistakesOf([{ server: 30, pool: 20 }])).toEqual([
    'services.service_1.connections: a pool of 20 and 8 of Sluice need 28, and a server of 30 has 27 for them',
  ])
})

test('servers that let in more than there may be in all are a mistake', () => {
  const server = { server: 100, pool: 20 }
  expect(mistakesOf([server, server], { total: 199 })).toEqual([
    'connectionLimits: the servers let in 200 connections, and there may be 199 in all',
  ])
})

test('pools that reach into what is reserved or for monitoring are a mistake', () => {
  const server = { server: 100, pool: 20 }
  expect(mistakesOf([server, server], { total: 200, reserved: 100, monitoring: 45 })).toEqual([
    'connectionLimits: pools and Sluice take 56 connections, and 55 are neither reserved nor for monitoring',
  ])
})

test('fewer clients than a pool has connections are a mistake', () => {
  expect(mistakesOf([{ server: 100, pool: 20, clients: 10 }])).toEqual([
    'services.service_1.connections.clients: 10 clients can not use a pool of 20',
  ])
})
