/** The compose file: what it mounts is there, nothing is open to the network, and everybody finds everybody. */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parse } from "yaml"
import { datasources } from "../support/Dashboards.ts"

const root = Path.join(import.meta.dirname, "../..")

interface Service {
  readonly image: string
  readonly profiles?: ReadonlyArray<string>
  readonly command?: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
  readonly ports: ReadonlyArray<string>
  readonly volumes?: ReadonlyArray<string>
}
const { services, volumes } = parse(Fs.readFileSync(Path.join(root, "docker-compose.infra.yml"), "utf8")) as {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}

describe("docker-compose.infra.yml", () => {
  it("starts the SOP's three servers by default, the others when asked", () => {
    const byDefault = Object.entries(services).filter(([, { profiles }]) => profiles === undefined)
    assert.sameMembers(byDefault.map(([name]) => name), ["postgres", "elasticsearch", "jaeger"])
    assert.deepStrictEqual(services["postgres"]!.ports, ["127.0.0.1:5435:5432"])
    assert.deepStrictEqual(services["elasticsearch"]!.ports, ["127.0.0.1:9200:9200"])
    assert.sameMembers([...services["jaeger"]!.ports], [
      "127.0.0.1:16686:16686",
      "127.0.0.1:4317:4317",
      "127.0.0.1:4318:4318"
    ])
  })

  it("has exact images, publishes on the loopback address only, and each port once", () => {
    const published = Object.values(services).flatMap(({ ports }) => ports)
    for (const port of published) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/)
    const hostPorts = published.map((port) => port.split(":")[1])
    assert.strictEqual(new Set(hostPorts).size, hostPorts.length)
    for (const { image } of Object.values(services)) assert.match(image, /^[\w./-]+:v?\d+\.\d+(\.\d+)?$/)
  })

  it("mounts what is there", () => {
    for (const mount of Object.values(services).flatMap((service) => service.volumes ?? [])) {
      const [from = ""] = mount.split(":")
      if (from.startsWith("./")) assert.isTrue(Fs.existsSync(Path.join(root, from)), mount)
      else assert.property(volumes, from)
    }
  })

  it("has every server that another one is told of, but for Loki", () => {
    const told = Object.values(services).flatMap(({ environment = {} }) => Object.values(environment))
    const urls = [...told.filter((value) => value.startsWith("http://")), ...datasources.map(({ url }) => url)]
    assert.isAtLeast(urls.length, 6)
    const hosts = urls.map((url) => new URL(url).hostname)
    assert.sameMembers(hosts.filter((host) => services[host] === undefined), ["loki"])
  })

  it("sets only what the servers' settings ask for", () => {
    const files = ["infra/tempo.yaml", "infra/otel-collector.yaml", "infra/jaeger.yaml"]
    const settings = files.map((file) => Fs.readFileSync(Path.join(root, file), "utf8")).join("\n")
    const names = Object.values(services).flatMap(({ environment = {} }) => Object.keys(environment))
    for (const name of names.filter((each) => /^(TEMPO|COLLECTOR|JAEGER)_/.test(each))) assert.include(settings, name)
  })
})

describe("Tempo and how Grafana asks it", () => {
  // Its own way of reading the file, where nothing is set.
  const expanded = (text: string) => text.replaceAll(/\$\{\w+:-([^}]*)\}/g, "$1")
  const tempo = parse(expanded(Fs.readFileSync(Path.join(root, "infra/tempo.yaml"), "utf8")))

  it("takes spans on both ports, and keeps them where and as long as S2-24 to S2-27 say", () => {
    const { grpc, http } = tempo.distributor.receivers.otlp.protocols
    assert.deepStrictEqual([grpc.endpoint, http.endpoint], ["0.0.0.0:4317", "0.0.0.0:4318"])
    const { backend, local, wal } = tempo.storage.trace
    assert.deepStrictEqual([backend, wal.path, local.path], ["local", "/tmp/tempo/wal", "/tmp/tempo/blocks"])
    assert.deepInclude(tempo.ingester, { max_block_bytes: 1_000_000, max_block_duration: "5m" })
    assert.deepStrictEqual(tempo.compactor.compaction, {
      compaction_window: "1h",
      block_retention: "1h",
      compacted_block_retention: "10m"
    })
  })

  it("is asked with a service map, a node graph, a search, a time shift and by tags (S2-28)", () => {
    const { jsonData, url } = datasources.find(({ type }) => type === "tempo")!
    assert.strictEqual(url, "http://tempo:3200")
    assert.isString(jsonData.serviceMap.datasourceUid)
    assert.deepInclude(jsonData, { nodeGraph: { enabled: true }, search: { hide: false } })
    assert.isTrue(jsonData.traceQuery.timeShiftEnabled)
    for (const { tags } of [jsonData.tracesToLogsV2, jsonData.tracesToMetrics]) {
      assert.include(tags.map(({ key }: { readonly key: string }) => key), "service.name")
    }
  })
})
