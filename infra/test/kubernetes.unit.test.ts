import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'

const probeSchema = z.object({ httpGet: z.object({ path: z.string(), port: z.literal('health') }) })

/** What the restricted Pod Security Standard and the probes of Sluice ask for. */
const deploymentSchema = z.object({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('Deployment'),
  spec: z.object({
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      spec: z.object({
        automountServiceAccountToken: z.literal(false),
        terminationGracePeriodSeconds: z.number().min(25),
        securityContext: z.object({
          runAsNonRoot: z.literal(true),
          seccompProfile: z.object({ type: z.literal('RuntimeDefault') }),
        }),
        containers: z.tuple([
          z.object({
            args: z.array(z.string()),
            env: z.array(z.object({ name: z.string(), value: z.string().startsWith('/run/secrets/sluice/') })),
            livenessProbe: probeSchema,
            readinessProbe: probeSchema,
            startupProbe: probeSchema,
            securityContext: z.object({
              allowPrivilegeEscalation: z.literal(false),
              readOnlyRootFilesystem: z.literal(true),
              capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
            }),
          }),
        ]),
        volumes: z.tuple([
          z.object({
            secret: z.object({
              secretName: z.literal('sluice-connections'),
              items: z.array(z.object({ key: z.string(), path: z.string(), mode: z.literal(0o444) })),
            }),
          }),
          z.object({ name: z.literal('tmp') }),
        ]),
      }),
    }),
  }),
})

test.each([
  ['reader', ['run', 'reader']],
  ['relay', ['run', 'relay']],
  ['projector', ['run', 'projector', 'analytics']],
])('%s: restricted security, probes, secrets from the existing Secret only', (name, args) => {
  const text = readFileSync(new URL(`../kubernetes/${name}.yaml`, import.meta.url), 'utf8')
  // YAML 1.1, as Kubernetes reads it: 0444 is octal.
  const { spec } = deploymentSchema.parse(parse(text, { version: '1.1' }))
  const pod = spec.template.spec
  const [container] = pod.containers
  expect(container.args).toEqual(args)
  expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels)
  expect(container.livenessProbe.httpGet.path).toBe('/livez')
  expect(container.readinessProbe.httpGet.path).toBe('/readyz')
  const mounted = pod.volumes[0].secret.items.map((item) => `/run/secrets/sluice/${item.path}`)
  expect(container.env.map((variable) => variable.value)).toEqual(mounted)
})

test('the image runs as a numbered user and takes signals itself', () => {
  const text = readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8')
  expect(text).toMatch(/^USER 1000:1000$/m)
  expect(text).toMatch(/^ENTRYPOINT \["node", /m)
  expect(text).toMatch(/^CMD \[/m)
})
