/// The globe's surface around a point, flat: what short distances are compared on.
import RealModule

/// An equirectangular projection that is true at its middle: within some ten kilometres of it, distances are good to a
/// thousandth save near the poles.
struct LocalPlane {
    private let latitude: Degrees7
    private let longitude: Degrees7
    private let metresPerLongitude: Double

    init(around latitude: Degrees7, _ longitude: Degrees7) {
        self.latitude = latitude
        self.longitude = longitude
        metresPerLongitude = Distance.metresPerDegree7 * Double.cos(Double(latitude) / 1e7 * .pi / 180)
    }

    /// Metres east and north of the middle, the short way round the globe.
    func place(_ latitude: Degrees7, _ longitude: Degrees7) -> (x: Double, y: Double) {
        var east = Int64(longitude) - Int64(self.longitude)
        if east > 1_800_000_000 { east -= 3_600_000_000 }
        if east < -1_800_000_000 { east += 3_600_000_000 }
        return (
            Double(east) * metresPerLongitude,
            Double(Int64(latitude) - Int64(self.latitude)) * Distance.metresPerDegree7
        )
    }

    /// The point that lies `x` metres east and `y` metres north of the middle.
    func point(_ x: Double, _ y: Double) -> (latitude: Degrees7, longitude: Degrees7) {
        let north = Double(latitude) + (y / Distance.metresPerDegree7).rounded()
        var east = Double(longitude)
        // At a pole every longitude is the same place.
        if metresPerLongitude > 1e-9 { east += (x / metresPerLongitude).rounded() }
        if east > 1_800_000_000 { east -= 3_600_000_000 }
        if east < -1_800_000_000 { east += 3_600_000_000 }
        return (
            Degrees7(max(-900_000_000, min(900_000_000, north))),
            Degrees7(max(-1_800_000_000, min(1_800_000_000, east)))
        )
    }

    /// Metres from the middle.
    func distance(_ latitude: Degrees7, _ longitude: Degrees7) -> Double {
        let (x, y) = place(latitude, longitude)
        return (x * x + y * y).squareRoot()
    }
}
