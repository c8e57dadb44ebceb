/** Whom root runs the server as. */
import { assert, describe, it } from "@effect/vitest"
import { accountIn } from "../../layers/embedded/ServerUser.ts"

const nobody = "nobody:x:65533:65532:nobody:/nonexistent:/bin/false\n"

describe("ServerUser", () => {
  it("is the user made for PostgreSQL if there is one", () => {
    assert.deepStrictEqual(accountIn(`${nobody}postgres:x:101:104::/var/lib:/bin/sh\n`), { uid: 101, gid: 104 })
  })

  it("is nobody otherwise, and nobody's usual number where there are no names at all", () => {
    assert.deepStrictEqual(accountIn(nobody), { uid: 65_533, gid: 65_532 })
    assert.deepStrictEqual(accountIn(""), { uid: 65_534, gid: 65_534 })
  })
})
