// The names of the files in a journal's directory.

/// `<first LSN, 20 digits>.segment`, `<segment>.corrupt`, `state`, `node-id`, `lock`; `*.new` is a file not finished yet.
enum FileNames {
    static let state = "state"
    static let nodeID = "node-id"
    static let lock = "lock"

    /// The segment whose first record is `lsn`.
    static func segment(_ lsn: UInt64) -> String {
        let digits = String(lsn)
        return String(repeating: "0", count: 20 - digits.utf8.count) + digits + ".segment"
    }

    /// A segment that was set aside, or the mark that a missing one was given up.
    static func corrupt(_ lsn: UInt64) -> String { segment(lsn) + ".corrupt" }

    /// The name a file bears until it is complete and durable.
    static func unfinished(_ name: String) -> String { name + ".new" }

    static func isUnfinished(_ name: String) -> Bool { name.utf8.count > 4 && name.hasSuffix(".new") }

    /// The first LSN in a segment's name, or nil where it is another file.
    static func segmentLSN(_ name: String) -> UInt64? { lsn(name, suffix: ".segment") }

    /// The first LSN in the name of a segment that was set aside.
    static func corruptLSN(_ name: String) -> UInt64? { lsn(name, suffix: ".segment.corrupt") }

    private static func lsn(_ name: String, suffix: String) -> UInt64? {
        guard name.utf8.count == 20 + suffix.utf8.count, name.hasSuffix(suffix) else { return nil }
        let digits = name.prefix(20)
        guard digits.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return UInt64(digits)
    }
}
