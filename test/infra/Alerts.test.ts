/** The alerts by Prometheus' own tool: each speaks where it must and is silent where it must be. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parse } from "yaml"
import { missing } from "../../infra/servers.js"

const root = Path.join(import.meta.dirname, "../..")
const folder = Path.join(root, "infra/prometheus")
const read = (file: string) => parse(Fs.readFileSync(Path.join(folder, file), "utf8"), { merge: true })

interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}
interface Trial {
  readonly alert_rule_test?: ReadonlyArray<{ readonly alertname: string; readonly exp_alerts: ReadonlyArray<unknown> }>
}

const rulesIn = (file: string): ReadonlyArray<Rule> => read(file).groups.flatMap(({ rules }: any) => rules)
const alerts = rulesIn("alerts.yml")

const lacking = missing("prometheus")
if (lacking !== undefined) console.warn(`The alerts are not tried: ${lacking}`)

const promtool = (...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(Path.join(root, ".tools/prometheus/promtool"), args, {
    cwd: folder,
    encoding: "utf8"
  })
  assert.strictEqual(status, 0, `${args.join(" ")}: ${stdout}${stderr}`)
}

describe("alerts", () => {
  it.skipIf(lacking !== undefined)("are valid, as is everything that Prometheus reads", () => {
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "--lint=all", "--lint-fatal", "recording.yml", "alerts.yml")
  })

  it.skipIf(lacking !== undefined)("speak and are silent as alerts_test.yml says", () => {
    promtool("test", "rules", "alerts_test.yml")
  })

  it("are each tried both ways", () => {
    const tried = (read("alerts_test.yml").tests as ReadonlyArray<Trial>).flatMap((trial) =>
      trial.alert_rule_test ?? []
    )
    for (const { alert } of alerts) {
      const own = tried.filter(({ alertname }) => alertname === alert)
      assert.isTrue(own.some(({ exp_alerts }) => exp_alerts.length > 0), `${alert} never speaks`)
      assert.isTrue(own.some(({ exp_alerts }) => exp_alerts.length === 0), `${alert} is never silent`)
    }
    assert.isEmpty(tried.filter(({ alertname }) => !alerts.some(({ alert }) => alert === alertname)))
  })

  it("each have a severity, and a heading in docs/alerts.md that says what to do", () => {
    const headings = Fs.readFileSync(Path.join(root, "docs/alerts.md"), "utf8").match(/^## .*$/gm) ?? []
    assert.deepStrictEqual(headings, alerts.map(({ alert }) => `## ${alert}`))
    for (const { alert, annotations, labels } of alerts) {
      assert.include(["page", "ticket"], labels["severity"])
      assert.strictEqual(annotations["runbook"], `docs/alerts.md#${alert!.toLowerCase()}`)
      assert.isNotEmpty(annotations["summary"])
    }
  })

  it("ask for no recording that is not made", () => {
    const made = rulesIn("recording.yml").map(({ record }) => record)
    const asked = [...alerts, ...rulesIn("recording.yml")].flatMap(({ expr }) =>
      expr.match(/\b(?:job|route|projection):[\w:]+/g) ?? []
    )
    assert.includeMembers(made, asked)
  })
})
