/**
 * Arrays as statement parameters, each with its type said.
 *
 * The driver otherwise infers an array's type from its elements, and refuses one that holds nothing but nulls.
 */
import * as PgTypes from "@effect/sql-pg/PgTypes"

/** The array types' OIDs; PostgreSQL has never changed one. */
const oids = { boolean: 1000, integer: 1007, text: 1009, bigint: 1016, float8: 1022, uuid: 2951 } as const

// The tag's argument type does not know the driver's typed parameters, which it passes through as they are.
const array = (oid: number) => (values: ReadonlyArray<unknown>): string =>
  ({ [PgTypes.ParameterTypeId]: PgTypes.ParameterTypeId, oid, value: values }) as unknown as string

export const booleans: (values: ReadonlyArray<boolean | null>) => string = array(oids.boolean)
export const integers: (values: ReadonlyArray<number | null>) => string = array(oids.integer)
export const floats: (values: ReadonlyArray<number | null>) => string = array(oids.float8)
export const texts: (values: ReadonlyArray<string | null>) => string = array(oids.text)
export const uuids: (values: ReadonlyArray<string | null>) => string = array(oids.uuid)
/** To be cast to `jsonb[]` in the statement. */
export const jsons = (values: ReadonlyArray<unknown>): string =>
  texts(values.map((value) => value === null ? null : JSON.stringify(value)))
export const bigints = (values: ReadonlyArray<number>): string => array(oids.bigint)(values.map(BigInt))
