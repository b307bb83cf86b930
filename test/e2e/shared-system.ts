/** The benchmark's system with its service declared independent. */
import { defineSystem } from '@sluice/system'
import bench from '../bench/system/system.ts'

export default defineSystem({ ...bench, services: { copy: { ...bench.services['copy'], independent: true } } })
