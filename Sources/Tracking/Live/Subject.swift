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
