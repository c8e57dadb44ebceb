/** Who a span is of: OpenTelemetry's resource of a service, as the settings describe it. */
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources"
import manifest from "../../package.json" with { type: "json" }
import { attributesOf } from "../../src/settings/SettingKind.ts"
import type { SettingValues } from "../../src/settings/Settings.ts"

export const resourceOf = (settings: SettingValues, serviceName: string): Resource =>
  resourceFromAttributes({
    "service.version": manifest.version,
    "deployment.environment.name": settings.environment,
    ...attributesOf(settings.resourceAttributes),
    "service.name": serviceName
  })
