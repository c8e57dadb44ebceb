/** What everything that knows which gateway holds whom promises. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { Presence } from "../../src/realtime/Presence.ts"
import { Sessions } from "../../src/realtime/Sessions.ts"
import { type Backstage, fresh, passTime } from "../support/Backstage.ts"
import { newId } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type Needs = Backstage | Catalog | Presence | Sessions

const [first, second] = [
  { gateway_id: "g1", address: "127.0.0.1:1" },
  { gateway_id: "g2", address: "127.0.0.1:2" }
] as const

const whereIs = (session: ReturnType<typeof newId>) =>
  Presence.use((presence) => Effect.map(presence.whereAre([session]), ([gateways]) => gateways))

const finding = (it: Vitest.MethodsNonLive<Needs>) => {
  it.effect("finds the gateways that hold members, for each session in the order asked", () =>
    Effect.gen(function*() {
      const presence = yield* Presence
      const [a, b] = [newId(), newId()]
      yield* presence.enter(second, a)
      yield* presence.enter(first, a)
      yield* presence.enter(first, a)
      yield* presence.enter(second, b)
      assert.deepStrictEqual(yield* presence.whereAre([b, newId(), a]), [[second], [], [first, second]])
      yield* presence.leave("g1", a)
      yield* presence.leave("g9", a)
      assert.deepStrictEqual(yield* presence.whereAre([a, b]), [[second], [second]])
      yield* presence.retire("g2")
      assert.deepStrictEqual(yield* presence.whereAre([a, b]), [[], []])
    }).pipe(fresh))

  it.effect("forgets a gateway that falls silent, and knows at its next word what it holds", () =>
    Effect.gen(function*() {
      const presence = yield* Presence
      const session = newId()
      yield* presence.enter(first, session)
      yield* passTime("20 seconds")
      yield* presence.enter(second, session)
      yield* passTime("11 seconds")
      assert.deepStrictEqual(yield* whereIs(session), [second])
      yield* presence.attend(second, [])
      yield* presence.attend({ ...first, address: "127.0.0.1:9" }, [session])
      assert.deepStrictEqual(yield* whereIs(session), [{ gateway_id: "g1", address: "127.0.0.1:9" }, second])
    }).pipe(fresh))

  it.effect("answers a gateway's word with the numbers of its sessions, and keeps those open", () =>
    Effect.gen(function*() {
      const [presence, sessions] = [yield* Presence, yield* Sessions]
      const { id } = yield* Catalog.use((catalog) => catalog.create("library", { name: "a library" }))
      yield* sessions.open({ kind: "library", id })
      yield* passTime("60 seconds")
      assert.deepStrictEqual(yield* presence.attend(first, [id, newId()]), [{ session_id: id, last_seq: 0 }])
      yield* passTime("60 seconds")
      const change = {
        entity_type: "library",
        entity_id: id,
        version: 2,
        op: "upsert",
        changes: [],
        actor: "ann",
        request_id: null,
        sessions: [id]
      } as const
      assert.lengthOf((yield* sessions.record([change]))[0]!, 1)
      assert.deepStrictEqual(yield* presence.attend(first, [id]), [{ session_id: id, last_seq: 1 }])
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("Presence", [finding])
