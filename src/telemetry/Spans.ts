/** How spans of what happens many times a second are made. */

/** A stack for each span, in case that it fails, costs as much as all else about it; its name says where it was. */
export const withoutStack = { captureStackTrace: false } as const
