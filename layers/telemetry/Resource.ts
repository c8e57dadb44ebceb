/** Who a span is of: OpenTelemetry's resource of a service, as the settings describe it. */
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources"
import type { SettingValues } from "../../src/settings/Settings.ts"

/** Values are percent-encoded by the specification, and typed by people who have not read it. */
const decoded = (value: string) => {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}

export const resourceOf = (settings: SettingValues, serviceName: string): Resource => {
  const given = settings.resourceAttributes.split(",").filter((pair) => pair.includes("=")).map((pair) => {
    const at = pair.indexOf("=")
    return [pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())] as const
  })
  return resourceFromAttributes({
    "deployment.environment.name": settings.environment,
    ...Object.fromEntries(given),
    "service.name": serviceName
  })
}
