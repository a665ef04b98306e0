/// What a viewer watches (API.md, "Words").

/// A subject's name, parsed.
public enum Subject: Sendable, Equatable {
    /// One driver.
    case driver(DriverID)

    /// Nil where the name is not a subject.
    public init?(_ name: String) {
        guard name.hasPrefix("driver:"), let id = DriverID(String(name.dropFirst("driver:".count))) else { return nil }
        self = .driver(id)
    }
}
