/** Which NATS, what names in it begin with, and who cannot do without one. */
import { Effect } from "effect"
import { type Demand, Settings, SettingsInvalid } from "../../src/settings/Settings.ts"

const where = (needed: string): Demand => ({ natsUrl }) =>
  natsUrl === undefined ? [{ name: "NATS_URL", value: "", allowed: `must be set where ${needed}` }] : []

export const forChain = where("the realtime chain is several processes")

const planeIsNats = where("WORDLOOM_REQUEST_PLANE is nats")
export const forPlane: Demand = (values) => values.requestPlane === "nats" ? planeIsNats(values) : []

export const natsAddress = (demand: Demand) =>
  Effect.gen(function*() {
    const settings = yield* Settings
    const { natsPrefix: prefix, natsUrl: url } = settings
    return url === undefined ? yield* new SettingsInvalid({ mistakes: demand(settings) }) : { url, prefix }
  })
