/// Boxes around places: what has to be looked through for all that lies within some metres.
import RealModule

extension Box {
    /// The whole globe.
    public static let globe = Box(south: -900_000_000, west: -1_800_000_000, north: 900_000_000, east: 1_800_000_000)

    /// A place alone.
    public init(latitude: Degrees7, longitude: Degrees7) {
        self.init(south: latitude, west: longitude, north: latitude, east: longitude)
    }

    /// A box that holds every place within so many metres of this one, and some more: where it reaches a pole, all
    /// meridians.
    public func widened(by metres: Double) -> Box {
        let reach = Int64((metres / Distance.metresPerDegree7).rounded(.up)) + 1
        let south = Int64(self.south) - reach
        let north = Int64(self.north) + reach
        let farthest = max(abs(south), abs(north))
        let shrink = Double.cos(Double(min(farthest, 900_000_000)) / 1e7 * .pi / 180)
        let isAround = farthest >= 900_000_000 || shrink < 1e-6
        let sideways = isAround ? 3_600_000_000 : Int64((Double(reach) / shrink).rounded(.up))
        let width = (west <= east ? 0 : 3_600_000_000) + Int64(east) - Int64(west)
        let wraps = width + 2 * sideways >= 3_600_000_000
        return Box(
            south: Degrees7(max(-900_000_000, south)),
            west: wraps ? -1_800_000_000 : Self.wrapped(Int64(west) - sideways),
            north: Degrees7(min(900_000_000, north)),
            east: wraps ? 1_800_000_000 : Self.wrapped(Int64(east) + sideways))
    }

    private static func wrapped(_ longitude: Int64) -> Degrees7 {
        if longitude < -1_800_000_000 { return Degrees7(longitude + 3_600_000_000) }
        if longitude > 1_800_000_000 { return Degrees7(longitude - 3_600_000_000) }
        return Degrees7(longitude)
    }
}
