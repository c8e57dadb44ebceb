/** The manifests against the API server's own schemas, and against what the programs really have. */
import { assert, describe, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Duration, Redacted, Result } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parse, parseAllDocuments } from "yaml"
import * as HealthRoutes from "../../layers/http/HealthRoutes.ts"
import * as MetricsRoute from "../../layers/http/MetricsRoute.ts"
import { read } from "../../src/settings/Settings.ts"
import { table } from "../../src/settings/SettingTable.ts"

const infra = Path.join(import.meta.dirname, "../../infra")
const folder = Path.join(infra, "k8s")
const text = (file: string) => Fs.readFileSync(Path.join(folder, file), "utf8")

const manifestsIn = (below: string) =>
  Fs.readdirSync(Path.join(folder, below)).filter((file) => file.endsWith(".yaml") && file !== "kustomization.yaml")
/** What is applied on its own, by whoever wants it. */
const further = ["query", "realtime"]
const manifests = ["."].concat(further).flatMap((below) => manifestsIn(below).map((file) => Path.join(below, file)))
const objects = manifests.flatMap((file) =>
  parseAllDocuments(text(file)).map((document) => {
    assert.isEmpty(document.errors, file)
    return { file, object: document.toJS() }
  })
)
const only = (kind: string, name: string) =>
  objects.find(({ object }) => object.kind === kind && object.metadata.name === name)!.object

const schemas = JSON.parse(text("schemas.json")) as {
  readonly version: string
  readonly kinds: Readonly<Record<string, object>>
  readonly $defs: object
}
const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false })

/** What the API server would say. */
const refusals = (object: any): ReadonlyArray<string> => {
  const schema = schemas.kinds[`${object.apiVersion}/${object.kind}`]
  if (schema === undefined) return [`${object.apiVersion}/${object.kind} has no schema here`]
  const validate = ajv.compile({ ...schema, $defs: schemas.$defs })
  validate(object)
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    `${instancePath} ${message} ${JSON.stringify(params)}`
  )
}

const deployments = ["api", "worker", "gateway", "logic", "task", "query"].map((name) =>
  only("Deployment", `wordloom-${name}`)
)
const pods = [...deployments, only("Job", "wordloom-migrate")].map(({ spec }) => spec.template.spec)
const containers = pods.map((pod) => pod.containers[0])
const settings = only("ConfigMap", "wordloom-settings").data as Readonly<Record<string, string>>
const ofChain = only("ConfigMap", "wordloom-realtime").data as Readonly<Record<string, string>>
const ofPlane = only("ConfigMap", "wordloom-request-plane").data as Readonly<Record<string, string>>
const values = () => {
  const result = read({ ...settings, ...ofChain, ...ofPlane, DATABASE_URL: "postgresql://u:p@h:5432/d" })
  if (Result.isFailure(result)) throw new Error(result.failure.message)
  return result.success
}
const labelsOf = (deployment: any) => deployment.spec.template.metadata.labels as Record<string, string>
const matches = (labels: Record<string, string>, selector: Record<string, string> = {}) =>
  Object.entries(selector).every(([key, value]) => labels[key] === value)

describe("manifests", () => {
  it(`are what Kubernetes ${schemas.version} accepts, at every depth`, () => {
    for (const { file, object } of objects) assert.deepStrictEqual(refusals(object), [], `${file} ${object.kind}`)
  })

  it("would not be accepted with a field that does not exist, or a value of another type", () => {
    const broken = (change: (copy: any) => void) => {
      const copy = structuredClone(deployments[0])
      change(copy)
      return refusals(copy).join()
    }
    assert.include(broken((copy) => (copy.spec.template.spec.containers[0].livenesProbe = {})), "livenesProbe")
    assert.include(broken((copy) => (copy.spec.template.spec.containers[0].resources.limit = {})), "limit")
    assert.include(broken((copy) => (copy.spec.replicas = "2")), "/spec/replicas")
    assert.include(broken((copy) => delete copy.spec.selector), "selector")
  })

  it("are all applied by the kustomization, but for the adapter's", () => {
    const resourcesOf = (file: string) => (parse(text(file)) as { readonly resources: ReadonlyArray<string> }).resources
    assert.sameMembers([...resourcesOf("kustomization.yaml"), "adapter.yaml"], manifestsIn("."))
    for (const below of further) {
      assert.sameMembers([...resourcesOf(`${below}/kustomization.yaml`)], manifestsIn(below))
    }
  })
})

describe("the pods", () => {
  it("run with no more rights than they need, and write nowhere but to a small /tmp", () => {
    for (const [at, pod] of pods.entries()) {
      const container = containers[at]
      assert.strictEqual(pod.containers.length, 1)
      assert.strictEqual(pod.automountServiceAccountToken, false)
      assert.deepStrictEqual(pod.securityContext, {
        runAsNonRoot: true,
        runAsUser: 1000,
        runAsGroup: 1000,
        seccompProfile: { type: "RuntimeDefault" }
      })
      assert.deepStrictEqual(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] }
      })
      assert.deepStrictEqual(container.volumeMounts, [{ name: "tmp", mountPath: "/tmp" }])
      assert.deepStrictEqual(pod.volumes, [{ name: "tmp", emptyDir: { sizeLimit: "64Mi" } }])
      assert.hasAllKeys(container.resources.requests, ["cpu", "memory"])
      assert.hasAllKeys(container.resources.limits, ["memory"])
    }
  })

  it("start programs that exist, which the image has", () => {
    const image = Fs.readFileSync(Path.join(infra, "Containerfile"), "utf8")
    assert.match(image, /^COPY programs \.\/programs$/m)
    assert.match(image, /^USER 1000:1000$/m)
    for (const { args, image: name } of containers) {
      assert.isTrue(Fs.existsSync(Path.join(infra, "..", args[0])), args[0])
      assert.match(name, /^wordloom:\d+\.\d+\.\d+$/)
    }
  })

  it("are probed by S3-53's times, on routes that are there; liveness asks no dependency", () => {
    const routes = HealthRoutes.routes.map(([, path]) => path)
    for (const { spec } of deployments) {
      const { livenessProbe, ports, readinessProbe, startupProbe } = spec.template.spec.containers[0]
      const times = (probe: any) => [probe.initialDelaySeconds, probe.periodSeconds, probe.failureThreshold]
      assert.deepStrictEqual(times(livenessProbe), [10, 10, 3])
      assert.deepStrictEqual(times(readinessProbe), [5, 5, 3])
      assert.deepStrictEqual(times(startupProbe), [undefined, 5, 30])
      assert.strictEqual(livenessProbe.httpGet.path, "/health/live")
      assert.strictEqual(readinessProbe.httpGet.path, "/health/ready")
      assert.strictEqual(startupProbe.httpGet.path, "/health/startup")
      for (const { httpGet, timeoutSeconds } of [livenessProbe, readinessProbe, startupProbe]) {
        assert.include(routes, httpGet.path)
        assert.include(ports.map(({ name }: any) => name), httpGet.port)
        if (httpGet.path !== "/health/live") {
          assert.isAbove(timeoutSeconds, Duration.toSeconds(values().healthTimeout))
        }
      }
    }
  })

  it("have longer to stop than the programs take", () => {
    const flush = 3
    for (const { spec } of deployments) {
      const { containers: [{ lifecycle }], terminationGracePeriodSeconds } = spec.template.spec
      const pause = lifecycle?.preStop.sleep.seconds ?? 0
      assert.isAtLeast(
        terminationGracePeriodSeconds,
        pause + Duration.toSeconds(values().shutdownGrace) + flush
      )
    }
  })

  it("get settings that the programs take, on the ports that are published", () => {
    const { databaseUrl, grpcPort, httpHost, httpPort, pushPort, workerHttpPort, workerMetricsPort, wsPort } = values()
    const { gatewayHttpPort, logicHttpPort, queryHttpPort, queryPort, taskHttpPort } = values()
    assert.strictEqual(Redacted.value(databaseUrl!), "postgresql://u:p@h:5432/d")
    assert.strictEqual(httpHost, "0.0.0.0")
    assert.strictEqual(httpPort, 8080, "S3-53")
    const published = deployments.map(({ spec }) =>
      Object.fromEntries(spec.template.spec.containers[0].ports.map((port: any) => [port.name, port.containerPort]))
    )
    assert.deepStrictEqual(published, [
      { http: httpPort },
      { health: workerHttpPort, metrics: workerMetricsPort },
      { ws: wsPort, push: pushPort, health: gatewayHttpPort },
      { grpc: grpcPort, health: logicHttpPort },
      { health: taskHttpPort },
      { stages: queryPort, health: queryHttpPort }
    ])
    const scraped = [httpPort, workerMetricsPort, gatewayHttpPort, logicHttpPort, taskHttpPort, queryHttpPort]
    for (const [at, { spec }] of deployments.entries()) {
      const { annotations } = spec.template.metadata
      assert.strictEqual(annotations["prometheus.io/port"], String(scraped[at]))
      assert.deepStrictEqual([["GET", annotations["prometheus.io/path"]]], MetricsRoute.routes)
    }
    // A name that no program knows would be ignored without a word.
    const known = Object.values(table).flatMap(({ names }) => [...names] as ReadonlyArray<string>)
    const own = deployments.flatMap(({ spec }) => spec.template.spec.containers[0].env.map(({ name }: any) => name))
    assert.includeMembers(known, [settings, ofChain, ofPlane].flatMap(Object.keys).concat(own))
  })

  it("are found by everything that selects them", () => {
    const byName = new Map(deployments.map((deployment) => [deployment.metadata.name, labelsOf(deployment)]))
    for (const deployment of deployments) {
      assert.isTrue(matches(labelsOf(deployment), deployment.spec.selector.matchLabels))
    }
    for (const { object } of objects) {
      const { metadata: { name }, spec } = object
      const labels = byName.get(name)
      if (object.kind === "PodDisruptionBudget") assert.isTrue(matches(labels!, spec.selector.matchLabels), name)
      if (object.kind === "HorizontalPodAutoscaler") assert.isTrue(byName.has(spec.scaleTargetRef.name), name)
      if (object.kind === "Service") {
        assert.isTrue(matches(labels!, spec.selector), name)
        const target = only("Deployment", name).spec.template.spec.containers[0].ports
        assert.include(target.map((port: any) => port.name), spec.ports[0].targetPort)
      }
      if (object.kind === "NetworkPolicy" && labels !== undefined) {
        assert.isTrue(matches(labels, spec.podSelector.matchLabels), name)
      }
    }
    const out = only("NetworkPolicy", "wordloom-out")
    for (const labels of byName.values()) assert.isTrue(matches(labels, out.spec.podSelector.matchLabels))
  })

  it("may reach every address that the settings name", () => {
    const egress = ["wordloom-out", "wordloom-realtime-out"].flatMap((name) => only("NetworkPolicy", name).spec.egress)
    const open = (namespace: string, port: number) =>
      egress.some(({ ports, to }: any) =>
        ports.some((each: any) => each.port === port) &&
        to?.some((each: any) => each.namespaceSelector?.matchLabels["kubernetes.io/metadata.name"] === namespace)
      )
    for (const url of [settings["ELASTIC_URL"]!, settings["OTEL_EXPORTER_OTLP_ENDPOINT"]!, ofChain["NATS_URL"]!]) {
      const { hostname, port } = new URL(url)
      assert.isTrue(open(hostname.split(".")[1]!, Number(port)), url)
    }
  })

  it("of the chain may reach each other where they listen", () => {
    const { egress } = only("NetworkPolicy", "wordloom-realtime-out").spec
    const toPods = egress.flatMap(({ ports, to }: any) =>
      to.flatMap(({ podSelector }: any) =>
        podSelector === undefined ? [] : [`${podSelector.matchLabels["app.kubernetes.io/name"]}:${ports[0].port}`]
      )
    )
    const { grpcPort, pushPort } = values()
    assert.sameMembers(toPods, [`wordloom-logic:${grpcPort}`, `wordloom-gateway:${pushPort}`])
    assert.strictEqual(ofChain["WORDLOOM_GRPC_HOST"], `${only("Service", "wordloom-logic").metadata.name}.wordloom`)
  })
})

describe("the request plane", () => {
  const [api, query] = ["api", "query"].map((name) => only("Deployment", `wordloom-${name}`))

  it("is asked by the API, which knows of it once it is there, where it listens", () => {
    const { hydrateAddress, queryPort, recallAddress, requestPlane } = values()
    assert.strictEqual(requestPlane, "http")
    const { metadata: { name, namespace }, spec: { ports: [stages] } } = only("Service", "wordloom-query")
    for (const address of [recallAddress, hydrateAddress]) {
      assert.deepStrictEqual(address, { host: `${name}.${namespace}`, port: stages.port })
    }
    const ofApi = api.spec.template.spec.containers[0].envFrom.map(({ configMapRef }: any) => configMapRef)
    assert.deepInclude(ofApi, { name: "wordloom-request-plane", optional: true })
    const out = only("NetworkPolicy", "wordloom-query-out").spec
    assert.isTrue(matches(labelsOf(api), out.podSelector.matchLabels))
    const [{ ports, to: [{ podSelector }] }] = out.egress
    assert.isTrue(matches(labelsOf(query), podSelector.matchLabels))
    assert.deepStrictEqual(ports, [{ protocol: "TCP", port: queryPort }])
    const [{ from: [asking] }] = only("NetworkPolicy", "wordloom-query").spec.ingress
    assert.isTrue(matches(labelsOf(api), asking.podSelector.matchLabels))
  })
})

describe("the workers' autoscaler", () => {
  it("asks for what the adapter gives it, of projections that workers drain", () => {
    const { metrics } = only("HorizontalPodAutoscaler", "wordloom-worker").spec
    const { externalRules: [rule] } = parse(only("ConfigMap", "wordloom-adapter-rules").data["config.yaml"])
    const recorded = Fs.readFileSync(Path.join(infra, "prometheus/recording.yml"), "utf8")
    assert.include(recorded, `record: ${rule.seriesQuery}`)
    const asked = metrics.map(({ external }: any) => external.metric)
    assert.deepStrictEqual(asked.map(({ name }: any) => name), [rule.name.as, rule.name.as])
    assert.sameMembers(asked.map(({ selector }: any) => selector.matchLabels.projection), [...values().projections])
    assert.isUndefined(only("Deployment", "wordloom-worker").spec.replicas, "a rollout would undo the scaling")
  })
})
