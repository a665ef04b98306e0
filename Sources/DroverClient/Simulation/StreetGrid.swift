/// A made-up city: straight streets at right angles around a point, the same from the same centre.
import Glibc

/// Streets run along two axes, turned by 17° as Toronto's are, 160 m apart one way and 90 m the other.
struct StreetGrid: Sendable {
    /// Metres between neighbouring corners, along the first and the second axis.
    static let blockMetres = (160.0, 90.0)
    /// Degrees by which the second axis is turned clockwise from north.
    static let turnedDegrees = -17.0
    /// WGS 84's mean radius times π / 180: metres in a degree of latitude.
    static let metresPerDegree = 111_194.9

    let latitude: Double
    let longitude: Double
    /// Corners on each side of the centre, along both axes.
    let halfWidth: Int
    private let metresPerDegreeOfLongitude: Double

    /// A square of `halfWidth` blocks to each side.
    init(latitude: Double, longitude: Double, halfWidth: Int) {
        self.latitude = latitude
        self.longitude = longitude
        self.halfWidth = halfWidth
        metresPerDegreeOfLongitude = max(1, Self.metresPerDegree * cos(latitude * .pi / 180))
    }

    /// Degrees of a place given in metres along the two axes, moved by so many metres east and north.
    func degrees(_ along: (Double, Double), east: Double = 0, north: Double = 0) -> (
        latitude: Double, longitude: Double
    ) {
        let angle = Self.turnedDegrees * .pi / 180
        let x = along.0 * cos(angle) + along.1 * sin(angle) + east
        let y = along.1 * cos(angle) - along.0 * sin(angle) + north
        return (latitude + y / Self.metresPerDegree, longitude + x / metresPerDegreeOfLongitude)
    }

    /// The compass direction of a street driven along `direction`, in [0, 360).
    static func heading(_ direction: GridDirection) -> Double {
        let turned = turnedDegrees + 90 * Double(direction.rawValue)
        return turned < 0 ? turned + 360 : turned.truncatingRemainder(dividingBy: 360)
    }
}

/// The four ways along the streets, clockwise from the second axis.
enum GridDirection: Int, Sendable, CaseIterable {
    case up, right, down, left

    /// Corners moved along the two axes.
    var step: (Int, Int) {
        switch self {
        case .up: (0, 1)
        case .right: (1, 0)
        case .down: (0, -1)
        case .left: (-1, 0)
        }
    }

    func turned(by quarters: Int) -> GridDirection {
        GridDirection(rawValue: ((rawValue + quarters) % 4 + 4) % 4) ?? self
    }

    /// Metres to the next corner.
    var blockMetres: Double { self == .up || self == .down ? StreetGrid.blockMetres.1 : StreetGrid.blockMetres.0 }
}
