/// What a viewer watches (API.md, "Words").

/// A subject's name, parsed. An order's or group's id has a driver id's form.
public enum Subject: Hashable, Sendable {
    /// One driver.
    case driver(DriverID)
    /// Whoever carries the order, shipment or delivery now.
    case order(DriverID)
    /// Whoever belongs to the group: a route, a warehouse, a region.
    case group(DriverID)
    /// Whoever is inside the box.
    case area(Area)

    /// Nil where the name is not a subject.
    public init?(_ name: String) {
        guard let colon = name.firstIndex(of: ":") else { return nil }
        let rest = String(name[name.index(after: colon)...])
        switch name[..<colon] {
        case "driver": self.init(rest, Subject.driver)
        case "order": self.init(rest, Subject.order)
        case "group": self.init(rest, Subject.group)
        case "area":
            guard let area = Area(rest) else { return nil }
            self = .area(area)
        default: return nil
        }
    }

    private init?(_ id: String, _ kind: (DriverID) -> Subject) {
        guard let id = DriverID(id) else { return nil }
        self = kind(id)
    }

    /// The name on the wire.
    public var name: String {
        switch self {
        case .driver(let id): "driver:" + id.string
        case .order(let id): "order:" + id.string
        case .group(let id): "group:" + id.string
        case .area(let area): "area:" + area.text
        }
    }
}

/// A box between two parallels and two meridians; where its west is east of its east it spans the antimeridian.
public struct Area: Hashable, Sendable {
    /// Degrees times 10⁷.
    public let south: Degrees7
    /// Degrees times 10⁷.
    public let west: Degrees7
    /// Degrees times 10⁷.
    public let north: Degrees7
    /// Degrees times 10⁷.
    public let east: Degrees7
    /// As it was written.
    public let text: String

    /// `minLat,minLng,maxLat,maxLng` in degrees; nil where it is not that or not on the globe.
    public init?(_ text: String) {
        // Longer numbers than these say nothing more.
        guard text.utf8.count <= 100 else { return nil }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part -> Double? in
            guard let value = Double(part), value.isFinite, part.utf8.allSatisfy(Self.isDecimal) else { return nil }
            return value
        }
        guard parts.count == 4, numbers.count == 4, numbers[0] <= numbers[2], abs(numbers[0]) <= 90,
            abs(numbers[2]) <= 90, abs(numbers[1]) <= 180, abs(numbers[3]) <= 180
        else { return nil }
        let corners = numbers.map { Degrees7(($0 * 1e7).rounded()) }
        (south, west, north, east) = (corners[0], corners[1], corners[2], corners[3])
        self.text = text
    }

    private static func isDecimal(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "-")
    }

    /// Whether a place is inside, its border included.
    @inline(__always)
    public func contains(latitude: Degrees7, longitude: Degrees7) -> Bool {
        guard south <= latitude, latitude <= north else { return false }
        return west <= east
            ? west <= longitude && longitude <= east : longitude >= west || longitude <= east
    }

    /// Whether all of another area is inside.
    public func contains(_ other: Area) -> Bool {
        guard south <= other.south, other.north <= north else { return false }
        switch (west <= east, other.west <= other.east) {
        case (true, true), (false, false): return west <= other.west && other.east <= east
        case (false, true): return other.west >= west || other.east <= east
        case (true, false): return west == -1_800_000_000 && east == 1_800_000_000
        }
    }
}
