/**
 * The sixteen bugs that an outbox is known for, each planted in our own code where somebody might write it.
 *
 * The anchors are short, so that they survive changes around them; where one is gone, the mutant says so and fails.
 */
import { engine } from "./EngineMutants.ts"
import { leases } from "./LeaseMutants.ts"
import type { Mutant } from "./Mutant.ts"
import { rows } from "./RowMutants.ts"

export const mutants: ReadonlyArray<Mutant> = [...leases, ...rows, ...engine]
