/// One simulated van: drives the grid, waits at lights, stops to deliver, and is seen by a phone that errs a little.
import Glibc

/// A van's whole state. Equal seeds and steps give equal drives.
package struct Van: Sendable {
    /// m/s; a van in a city.
    package static let topSpeed = 15.0
    /// m/s² that feel ordinary.
    private static let acceleration = 2.0
    private static let braking = 2.5
    /// m/s at which a corner is taken.
    private static let cornerSpeed = 4.0

    private let grid: StreetGrid
    private var random: SeededRandom
    private var corner: (Int, Int)
    private var direction: GridDirection
    private var turn = 0
    private var metresAlong = 0.0
    private var speed = 0.0
    private var cruise: Double
    private var waitsAtCorner = false
    private var deliversAt: Double?
    private var pause = 0.0
    private var heading: Double
    private var accuracy: Double
    private var error: (east: Double, north: Double)

    /// A van somewhere within `radiusMetres` of a centre.
    package init(latitude: Double, longitude: Double, radiusMetres: Double, seed: UInt64) {
        let halfWidth = max(1, Int(radiusMetres / StreetGrid.blockMetres.0))
        grid = StreetGrid(latitude: latitude, longitude: longitude, halfWidth: halfWidth)
        random = SeededRandom(seed: seed)
        corner = (
            Int.random(in: -halfWidth...halfWidth, using: &random),
            Int.random(in: -halfWidth...halfWidth, using: &random)
        )
        direction = GridDirection.allCases[Int.random(in: 0..<4, using: &random)]
        cruise = Double.random(in: 8...Self.topSpeed, using: &random)
        accuracy = Double.random(in: 3...15, using: &random)
        heading = StreetGrid.heading(direction)
        error = (0, 0)
        metresAlong = Double.random(in: 0..<direction.blockMetres, using: &random)
        planBlock()
    }

    /// Drives on for `seconds` (at most one is one step; longer times are cut into steps).
    package mutating func advance(seconds: Double) {
        var left = seconds
        while left > 0 {
            let step = min(left, 0.5)
            drive(step)
            left -= step
        }
        // The phone's error wanders: a hundred-second memory, with a spread of a third of the accuracy it states.
        let memory = exp(-seconds / 100)
        let spread = accuracy / 3 * (1 - memory * memory).squareRoot()
        error.east = error.east * memory + normal() * spread
        error.north = error.north * memory + normal() * spread
        accuracy = min(15, max(3, accuracy + normal() * seconds.squareRoot() * 0.3))
    }

    /// What the van's phone reports at an epoch millisecond.
    package func report(at milliseconds: Int64) -> PingReport {
        let (across, along) = direction.step
        let place = (
            Double(corner.0) * StreetGrid.blockMetres.0 + Double(across) * metresAlong,
            Double(corner.1) * StreetGrid.blockMetres.1 + Double(along) * metresAlong
        )
        let (latitude, longitude) = grid.degrees(place, east: error.east, north: error.north)
        // One decimal, as phones round it.
        return PingReport(
            recordedAt: milliseconds, latitude: latitude, longitude: longitude, accuracy: rounded(accuracy),
            speed: rounded(speed), heading: min(359.9, rounded(heading)), altitude: nil)
    }

    private func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }

    private mutating func drive(_ seconds: Double) {
        steer(seconds)
        if pause > 0 {
            pause = max(0, pause - seconds)
            speed = 0
            return
        }
        let toCorner = direction.blockMetres - metresAlong
        var allowed = cruise
        if let deliversAt { allowed = min(allowed, Self.brakingSpeed(deliversAt - metresAlong, to: 0)) }
        if waitsAtCorner {
            allowed = min(allowed, Self.brakingSpeed(toCorner, to: 0))
        } else if turn != 0 {
            allowed = min(allowed, Self.brakingSpeed(toCorner, to: Self.cornerSpeed))
        }
        speed += max(-Self.braking * seconds * 2, min(Self.acceleration * seconds, allowed - speed))
        speed = max(0, speed)
        metresAlong += speed * seconds
        if let place = deliversAt, metresAlong >= place - 0.5 {
            deliversAt = nil
            pause = Double.random(in: 20...60, using: &random)
        } else if waitsAtCorner, metresAlong >= direction.blockMetres - 1 {
            waitsAtCorner = false
            pause = Double.random(in: 5...25, using: &random)
        }
        if metresAlong >= direction.blockMetres { takeCorner() }
    }

    /// The speed from which one can still brake to `target` within `metres`; never so low that the last metre lasts.
    private static func brakingSpeed(_ metres: Double, to target: Double) -> Double {
        max(1, (target * target + 2 * braking * max(0, metres)).squareRoot())
    }

    private mutating func takeCorner() {
        metresAlong -= direction.blockMetres
        let (across, along) = direction.step
        corner = (corner.0 + across, corner.1 + along)
        direction = direction.turned(by: turn)
        metresAlong = min(metresAlong, direction.blockMetres / 2)
        planBlock()
    }

    /// What happens on the block ahead and at its end.
    private mutating func planBlock() {
        let (across, along) = direction.step
        let ahead = (corner.0 + across, corner.1 + along)
        let ways = [0, 0, 0, -1, 1].filter { quarters in
            let (across, along) = direction.turned(by: quarters).step
            return abs(ahead.0 + across) <= grid.halfWidth && abs(ahead.1 + along) <= grid.halfWidth
        }
        // In the outermost corner only the way back is left.
        turn = ways.isEmpty ? 2 : ways[Int.random(in: 0..<ways.count, using: &random)]
        waitsAtCorner = turn == 2 || Double.random(in: 0..<1, using: &random) < 0.25
        let delivers = Double.random(in: 0..<1, using: &random) < 0.06 && metresAlong < direction.blockMetres / 3
        deliversAt = delivers ? direction.blockMetres * Double.random(in: 0.5...0.8, using: &random) : nil
        cruise = min(Self.topSpeed, max(6, cruise + normal()))
    }

    /// The heading follows the street within about a second.
    private mutating func steer(_ seconds: Double) {
        var difference = StreetGrid.heading(direction) - heading
        if difference > 180 { difference -= 360 }
        if difference < -180 { difference += 360 }
        heading += max(-120 * seconds, min(120 * seconds, difference))
        if heading < 0 { heading += 360 }
        if heading >= 360 { heading -= 360 }
    }

    /// A normally distributed number (Box and Muller 1958).
    private mutating func normal() -> Double {
        let radius = (-2 * log(Double.random(in: Double.leastNonzeroMagnitude...1, using: &random))).squareRoot()
        return radius * cos(2 * .pi * Double.random(in: 0..<1, using: &random))
    }
}
