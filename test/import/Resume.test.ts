/** Where an import goes on after it was stopped, however that happened: every line once, and none left out. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { linesMax } from "../../src/import/ImportBatch.ts"
import { ImportProgress } from "../../src/import/ImportProgress.ts"
import { SourceBroken } from "../../src/import/Imports.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { block, blocks, type File, fileOf, recordOf, run, stores, titlesIn } from "./Importing.ts"

layer(stores, { excludeTestServices: true })("An import", (it) => {
  it.effect("goes on at the first line that is not committed, wherever it was stopped", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(4 * linesMax + 123))
      const broken = (upTo: number): File => ({
        ...file,
        source: {
          ...file.source,
          read: (offset) =>
            Stream.concat(
              Stream.make(file.bytes.slice(offset, upTo)),
              Stream.fail(new SourceBroken({ reason: "unplugged" }))
            )
        }
      })
      for (const upTo of [0, 0.3, 0.31, 0.7, 1].map((part) => Math.round(part * file.bytes.length))) {
        const error = yield* Effect.flip(run(broken(upTo)))
        assert.instanceOf(error, SourceBroken)
        const record = yield* recordOf(file)
        assert.strictEqual(record!.standing.imported, record!.standing.nextLine - 1)
        assert.lengthOf(yield* titlesIn(file.library), record!.standing.imported)
      }
      const { outcome } = yield* run(file)
      assert.isAbove(outcome.from.nextLine, 4 * linesMax)
      assert.deepStrictEqual(
        yield* titlesIn(file.library),
        Array.from({ length: file.lines }, (_, at) => `title ${at}`)
      )
    }))

  it.effect("survives a connection that is cut in the middle of every batch, and still writes every line once", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const file = fileOf(blocks(6 * linesMax))
      let due = false
      let cuts = 0
      const cut = Effect.gen(function*() {
        if (!due) return
        const { length } = yield* sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`
        cuts += length
        due = length === 0
      })
      const cutting = yield* Effect.ignore(cut).pipe(Effect.repeat(Schedule.spaced("1 millis")), Effect.forkChild)
      const again = Effect.sync(() => {
        due = true
      })
      const { outcome } = yield* run(file, { onBegin: again, onMove: () => again })
      yield* Fiber.interrupt(cutting)
      assert.isAbove(cuts, 0)
      assert.strictEqual(outcome.to.imported, file.lines)
      // The last cut may have hit a connection that now lies in the pool.
      const titles = yield* Effect.retry(titlesIn(file.library), { times: 3 })
      assert.deepStrictEqual(titles, Array.from({ length: file.lines }, (_, at) => `title ${at}`))
    }))

  it.effect("takes nothing for a line that the file's end did not end", () =>
    Effect.gen(function*() {
      const file = fileOf([block("whole"), block("cut in the middle")])
      const cut = new TextEncoder().encode(`${block("whole")}\n{"title":"cut","body":""}`)
      const source = {
        ...file.source,
        read: () => Stream.concat(Stream.make(cut), Stream.fail(new SourceBroken({ reason: "unplugged" })))
      }
      yield* Effect.flip(run({ ...file, source }))
      assert.isEmpty(yield* titlesIn(file.library))
    }))

  it.effect("of a file that is finished does nothing, unless it is asked to do it again", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(3))
      yield* run(file)
      const second = yield* run(file)
      assert.isTrue(second.outcome.before)
      assert.lengthOf(yield* titlesIn(file.library), 3)
      const third = yield* run(file, { again: true })
      assert.isFalse(third.outcome.before)
      assert.include(third.outcome.to, { imported: 3 })
      assert.lengthOf(yield* titlesIn(file.library), 6)
    }))

  it.effect("that was asked for again goes on when it is asked for again once more", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(2 * linesMax))
      yield* run(file)
      yield* run(file, { again: true, onMove: () => Effect.die("killed") }).pipe(Effect.exit)
      assert.include((yield* recordOf(file))!.standing, { imported: linesMax })
      yield* run(file, { again: true })
      assert.lengthOf(yield* titlesIn(file.library), 2 * file.lines)
    }))

  it.effect("keeps to the library it was begun with", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(2 * linesMax))
      yield* run(file, { onMove: () => Effect.die("killed") }).pipe(Effect.exit)
      const other = (asked: boolean): File => ({
        ...file,
        source: { ...file.source, library: { name: "another", asked } }
      })
      const error = yield* Effect.flip(run(other(true)))
      assert.match(error.message, /begun with library "library \d+"/)
      assert.include((yield* run(other(false))).outcome.to, { imported: file.lines })
      assert.lengthOf(yield* titlesIn(file.library), file.lines)
      assert.match((yield* Effect.flip(run(other(true)))).message, /--again/)
    }))

  it.effect("refuses a file that another session imports", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(1))
      const error = yield* Effect.scoped(Effect.gen(function*() {
        yield* ImportProgress.use((progress) => progress.hold(file.source.sha256))
        return yield* Effect.flip(run(file))
      }))
      assert.strictEqual(error._tag, "ImportRunning")
      assert.include((yield* run(file)).outcome.to, { imported: 1 })
    }))

  it.effect("writes nothing twice when two that believe to be alone go on from the same line", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(2 * linesMax))
      const [progress, transaction] = [yield* ImportProgress, yield* Transaction]
      let moved = false
      const error = yield* Effect.flip(run(file, {
        onMove: (standing) =>
          Effect.gen(function*() {
            if (moved) return
            moved = true
            const further = { ...standing, nextLine: standing.nextLine + 1, rejected: 1 }
            yield* transaction.run(progress.advance(file.source.sha256, standing, further))
          }).pipe(Effect.orDie)
      }))
      assert.strictEqual(error._tag, "ImportMoved")
      assert.lengthOf(yield* titlesIn(file.library), linesMax)
    }))

  it.effect("of an empty file is done at once", () =>
    Effect.gen(function*() {
      const file = fileOf([])
      const { outcome } = yield* run({ ...file, source: { ...file.source, read: () => Stream.empty } })
      assert.include(outcome.to, { imported: 0, nextLine: 1 })
    }))
})
