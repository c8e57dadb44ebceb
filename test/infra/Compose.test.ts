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
