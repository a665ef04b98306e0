/// What an export is written in: one of Drover's own formats, or another interface's.
import Tracking

/// See the file's head.
enum PastEncoder {
    case track(TrackEncoder)
    case ownTracks(OwnTracksTrackEncoder)

    /// What stands before the first point.
    func begin(_ writer: inout JSONWriter) {
        switch self {
        case .track(let encoder): encoder.begin(&writer)
        case .ownTracks(let encoder): encoder.begin(&writer)
        }
    }

    /// The next point.
    mutating func append(_ point: TrackPoint, _ writer: inout JSONWriter) {
        switch self {
        case .track(var encoder):
            encoder.append(point, &writer)
            self = .track(encoder)
        case .ownTracks(var encoder):
            encoder.append(point, &writer)
            self = .ownTracks(encoder)
        }
    }

    /// What stands behind the last point. `next` is its fix time where a limit has cut the track there.
    func end(next: Microseconds?, _ writer: inout JSONWriter) {
        switch self {
        case .track(let encoder): encoder.end(next: next, &writer)
        case .ownTracks(let encoder): encoder.end(&writer)
        }
    }
}
