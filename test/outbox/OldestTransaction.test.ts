/** What is said of whoever holds back vacuum, and from when on it is too long. */
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { heldFor, type Holder, told } from "../../src/outbox/OldestTransaction.ts"

const session: Holder = {
  kind: "session",
  pid: 4711,
  name: null,
  application_name: "psql",
  user: "x",
  state: "idle in transaction",
  age_seconds: 612.9,
  age_transactions: 3,
  catalogs_only: false
}
const slot: Holder = {
  ...session,
  kind: "slot",
  pid: null,
  name: "copy",
  application_name: null,
  user: null,
  state: "inactive",
  age_seconds: null,
  age_transactions: 700_000
}

describe("the oldest transaction", () => {
  it("is told with all that is known of it, and with nothing that is not", () => {
    assert.strictEqual(told(session), "transaction of pid 4711 (psql, user x) open for 612 s holds back vacuum")
    assert.strictEqual(
      told({ ...session, application_name: null }),
      "transaction of pid 4711 (user x) open for 612 s holds back vacuum"
    )
    assert.strictEqual(
      told({ ...session, application_name: null, user: null, age_seconds: null }),
      "transaction of pid 4711 open for 3 transactions holds back vacuum"
    )
    assert.strictEqual(
      told({ ...session, kind: "prepared", pid: null, name: "xa-1", application_name: null }),
      "prepared transaction xa-1 (user x) open for 612 s holds back vacuum"
    )
    assert.strictEqual(told(slot), "replication slot copy behind by 700000 transactions holds back vacuum")
    assert.match(told({ ...slot, catalogs_only: true }), /holds back vacuum of the system catalogs$/)
  })

  it("has lasted too long by its seconds, and where they are not known by its transactions", () => {
    const lasted = (holder: Holder, seconds: number) => Option.isSome(heldFor(Option.some(holder), seconds))
    assert.isTrue(lasted(session, 612))
    assert.isFalse(lasted(session, 613))
    assert.isFalse(lasted({ ...session, age_transactions: 1_000_000 }, 613))
    assert.isTrue(lasted(slot, 700))
    assert.isFalse(lasted(slot, 701))
    assert.isTrue(Option.isNone(heldFor(Option.none(), 0)))
  })
})
