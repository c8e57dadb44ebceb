/** Drains N rows with the product's worker and a destination that does nothing. program.js drain N */
import { launchMeasured } from "./Measured.ts"
import { destination, worker } from "./RealWorker.ts"

launchMeasured(Number(process.argv[3]), worker(destination(() => {})))
