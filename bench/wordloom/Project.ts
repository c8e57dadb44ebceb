/** Brings N rows to the search index with the product's own worker, as it is. program.js project N */
import * as Workers from "../../programs/compose/Workers.ts"
import { launchMeasured } from "./Measured.ts"

launchMeasured(Number(process.argv[3]), Workers.layer)
