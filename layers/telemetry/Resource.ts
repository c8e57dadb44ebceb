/** Who a span is of: OpenTelemetry's resource of a service, as the settings describe it. */
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources"
import manifest from "../../package.json" with { type: "json" }
import { attributesOf } from "../../src/settings/SettingKind.ts"
import type { SettingValues } from "../../src/settings/Settings.ts"

export const resourceOf = (settings: SettingValues, serviceName: string): Resource => {
  const given = attributesOf(settings.resourceAttributes)
  const environment = given["deployment.environment.name"] ?? settings.environment
  return resourceFromAttributes({
    "service.version": manifest.version,
    "deployment.environment.name": environment,
    // What conventions called it before 1.27, and S3-36 still does.
    "deployment.environment": environment,
    ...given,
    "service.name": serviceName
  })
}
