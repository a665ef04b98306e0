/// A ping as the search for trips and stops remembers it, and a stay that is going on.

/// A ping with what has added up until it.
struct TrackSample: Sendable {
    let at: Microseconds
    let latitude: Degrees7
    let longitude: Degrees7
    let speed: Float?
    /// Metres of the track until here.
    let odometer: Double
    /// Pings of the track until here, itself included.
    let ordinal: Int
    /// The highest speed since the trip began.
    private(set) var fastest: Float?
    /// The greatest distance from where the trip began, in metres.
    private(set) var reach = 0.0

    init(_ point: TrackPoint, odometer: Double, ordinal: Int) {
        at = point.recordedAt
        latitude = point.latitude
        longitude = point.longitude
        speed = point.speed
        self.odometer = odometer
        self.ordinal = ordinal
    }

    /// The same as the first of a trip.
    var asStart: TrackSample {
        var sample = self
        sample.fastest = speed
        sample.reach = 0
        return sample
    }

    /// The same as the one behind `before` in the trip that began with `start`.
    func following(_ before: TrackSample, of start: TrackSample) -> TrackSample {
        var sample = self
        sample.fastest = [before.fastest, speed].compactMap(\.self).max()
        sample.reach = max(
            before.reach, Distance.metres(start.latitude, start.longitude, latitude, longitude))
        return sample
    }
}

/// A stay at one place that is going on.
struct Standing: Sendable {
    /// Around the middle of its first pings.
    let plane: LocalPlane
    let first: TrackSample
    private(set) var last: TrackSample
    /// The last ping where that was outside.
    var outside: TrackSample?
    /// What the pings inside add up to, in metres from the middle.
    private var sum = (x: 0.0, y: 0.0)
    private var count = 0

    /// The stay that the window's last samples are; nil where they are none.
    init?(_ window: [TrackSample], _ rules: TripRules) {
        guard let newest = window.last,
            var begin = window.lastIndex(where: { $0.at <= newest.at - rules.stop })
        else { return nil }
        let around = LocalPlane(around: newest.latitude, newest.longitude)
        // Whoever moves is found out by the ends alone.
        guard around.distance(window[begin].latitude, window[begin].longitude) <= 2 * rules.radius else { return nil }
        let places = window[begin...].map { around.place($0.latitude, $0.longitude) }
        let middle = around.point(Self.median(places.map(\.x)), Self.median(places.map(\.y)))
        let plane = LocalPlane(around: middle.latitude, middle.longitude)
        func isInside(_ sample: TrackSample) -> Bool {
            plane.distance(sample.latitude, sample.longitude) <= rules.radius
        }
        guard isInside(window[begin]), isInside(newest) else { return nil }
        for index in begin..<window.count where !isInside(window[index]) {
            let (before, after) = (window[index - 1], window[index + 1])
            guard isInside(before), isInside(after), after.at - before.at <= rules.stop else { return nil }
        }
        while begin > 0, isInside(window[begin - 1]) { begin -= 1 }
        self.plane = plane
        first = window[begin]
        last = newest
        for sample in window[begin...] where isInside(sample) { take(sample) }
    }

    /// A ping inside.
    mutating func take(_ sample: TrackSample) {
        let place = plane.place(sample.latitude, sample.longitude)
        sum.x += place.x
        sum.y += place.y
        count += 1
        last = sample
    }

    /// What it was, if it ends with its last ping inside.
    var stop: Stop {
        let middle = plane.point(sum.x / Double(count), sum.y / Double(count))
        return Stop(
            from: first.at, to: last.at, latitude: middle.latitude, longitude: middle.longitude,
            ordinals: first.ordinal...last.ordinal)
    }

    /// The lower one of an even number: of two places far from each other it is not the middle, where nobody was.
    private static func median(_ values: [Double]) -> Double {
        values.sorted()[(values.count - 1) / 2]
    }
}

extension Stop {
    /// This one and the next as one.
    func joined(with next: Stop) -> Stop {
        var stop = self
        let plane = LocalPlane(around: latitude, longitude)
        let place = plane.place(next.latitude, next.longitude)
        let share = Double(next.pings) / Double(pings + next.pings)
        let middle = plane.point(place.x * share, place.y * share)
        (stop.latitude, stop.longitude) = (middle.latitude, middle.longitude)
        stop.to = next.to
        stop.ordinals = ordinals.lowerBound...next.ordinals.upperBound
        return stop
    }
}
