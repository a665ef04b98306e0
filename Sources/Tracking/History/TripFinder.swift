/// Finds the trips and stops of a track as it streams by. The exact rules:
///
/// - A stop begins with the first ping of a stretch of at least `rules.stop` whose pings lie within `rules.radius` of its
///   middle (the median of their places), and lasts as long as pings do. One ping alone outside, with its neighbours
///   inside and no more than `rules.stop` apart, is a bad fix and is overlooked.
/// - Two stops without a trip between them, no more than `rules.stop` apart in time and a radius apart, are one.
/// - A trip is what lies between: from the last ping of a stop to the first of the next. It goes somewhere: one of its
///   pings lies farther than twice the radius from its first. It ends at a silence; a stop goes on over one where the next ping
///   is still inside, as phones that save power say nothing while they stand.
/// - The distance is the sum of the great circles between pings, those over a silence left out.
///
/// In memory is what may still become the beginning of a stop, at most `windowLimit` samples, and what was found.

/// See the file's head.
public struct TripFinder: Sendable {
    /// A window of `rules.stop` holds no more samples than this; closer ones stand for each other.
    static let windowLimit: Int64 = 256

    private let rules: TripRules
    /// What may become the beginning of a stop; its last is the newest ping. Empty while the driver stands.
    private var window: [TrackSample] = []
    private var tripStart: TrackSample?
    private var standing: Standing?
    private var latest: TrackSample?
    /// When the last trip ended.
    private var lastTripEnd = Microseconds.min

    /// Trips so far, in order.
    public private(set) var trips: [Trip] = []
    /// Stops so far, in order.
    public private(set) var stops: [Stop] = []
    /// Silences so far, in order.
    public private(set) var silences: [Silence] = []
    /// Pings so far.
    public private(set) var pings = 0
    /// Metres so far.
    public private(set) var distance = 0.0

    /// How many samples may still become the beginning of a stop.
    var windowCount: Int { window.count }

    /// Nothing found yet.
    public init(_ rules: TripRules) {
        self.rules = rules
    }

    /// The next ping, in the order of fix times.
    public mutating func add(_ point: TrackPoint) {
        pings += 1
        if let latest {
            if point.recordedAt - latest.at > rules.silence {
                silences.append(Silence(from: latest.at, to: point.recordedAt))
            } else {
                distance += Distance.metres(latest.latitude, latest.longitude, point.latitude, point.longitude)
            }
        }
        let sample = TrackSample(point, odometer: distance, ordinal: pings)
        latest = sample
        if standing != nil { stand(sample) } else { move(sample) }
    }

    /// There are no more pings: what has begun ends with the last.
    public mutating func finish() {
        if let standing {
            leave(standing)
            if let outside = standing.outside { move(outside) }
        }
        if standing == nil, let last = window.last { endTrip(at: last) }
        if let standing { leave(standing) }
        window = []
        tripStart = nil
    }

    // MARK: Standing

    private mutating func stand(_ sample: TrackSample) {
        guard var stay = standing else { return }
        let isInside = stay.plane.distance(sample.latitude, sample.longitude) <= rules.radius
        if let outside = stay.outside {
            guard isInside, sample.at - stay.last.at <= rules.stop else {
                leave(stay)
                feed(outside)
                return feed(sample)
            }
            stay.outside = nil
        } else if !isInside {
            guard sample.at - stay.last.at <= rules.stop else {
                leave(stay)
                return feed(sample)
            }
            stay.outside = sample
        }
        if isInside { stay.take(sample) }
        standing = stay
    }

    private mutating func feed(_ sample: TrackSample) {
        if standing != nil { stand(sample) } else { move(sample) }
    }

    /// The stop is over; a trip may begin where it was.
    private mutating func leave(_ stay: Standing) {
        standing = nil
        let stop = stay.stop
        if let before = stops.last, lastTripEnd <= before.from, stop.from - before.to <= rules.stop,
            Distance.metres(before.latitude, before.longitude, stop.latitude, stop.longitude) <= rules.radius
        {
            stops[stops.count - 1] = before.joined(with: stop)
        } else {
            stops.append(stop)
        }
        begin(at: stay.last)
    }

    // MARK: Moving

    private mutating func begin(at sample: TrackSample) {
        let start = sample.asStart
        tripStart = start
        window.removeAll(keepingCapacity: true)
        window.append(start)
    }

    private mutating func move(_ sample: TrackSample) {
        guard let start = tripStart, let before = window.last else { return begin(at: sample) }
        window.append(sample.following(before, of: start))
        if let stay = Standing(window, rules) {
            endTrip(at: stay.first)
            window.removeAll(keepingCapacity: true)
            tripStart = nil
            standing = stay
        } else if sample.at - before.at > rules.silence {
            endTrip(at: before)
            begin(at: sample)
        } else {
            trim()
        }
    }

    /// Lets go of what is too old to begin a stop, and of samples too close to tell anything.
    private mutating func trim() {
        guard let newest = window.last else { return }
        if window.count > 2, newest.at - window[window.count - 3].at < rules.stop / Self.windowLimit {
            window.remove(at: window.count - 2)
        }
        var old = 0
        while old + 1 < window.count, window[old + 1].at <= newest.at - rules.stop { old += 1 }
        if old > 0 { window.removeFirst(old) }
    }

    private mutating func endTrip(at end: TrackSample) {
        guard let start = tripStart, end.at > start.at, end.reach > 2 * rules.radius else { return }
        lastTripEnd = end.at
        trips.append(
            Trip(
                from: start.at, to: end.at, distance: end.odometer - start.odometer,
                pings: end.ordinal - start.ordinal + 1, maximumSpeed: end.fastest,
                start: (start.latitude, start.longitude), end: (end.latitude, end.longitude)))
    }
}
