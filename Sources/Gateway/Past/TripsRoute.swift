/// `GET /v1/drivers/{id}/trips`: a driver's day as trips, stops and silences, found in the track while it is read.
import EventLoop
import PostgresClient
import Tracking
import WebServer

/// The route. What a credential sees on a grid are the places; times and distances are those of the track.
struct TripsRoute {
    private let call: SteeringCall
    private let connection: WebConnection

    init(_ call: RouteCall, _ credential: Credential) {
        self.call = SteeringCall(call, credential)
        connection = call.connection
    }

    /// GET.
    func answer() {
        guard let driver = DriverID(call.parameters[0]) else { return call.respond(Problem.nothing(at: call.request)) }
        let date = call.request.query("date")
        if let date {
            guard date.utf8.count == 10, let day = Timestamp.parse(ShortText(date + "T00:00:00Z") ?? ShortText()),
                HistoryQuestion.instants.contains(day)
            else { return call.respond(Problem.response(400, "bad_request", "date is a day as in 2026-11-21")) }
        }
        call.within([.driver(driver)]) { find(driver, on: date) }
    }

    /// A day of the history's time zone, which Postgres knows.
    private struct Day {
        let name: String
        let range: Range<Microseconds>
    }

    private func find(_ driver: DriverID, on date: String?) {
        let sql = """
            SELECT d.day::text, (extract(epoch FROM d.day::timestamp AT TIME ZONE $2) * 1000000)::bigint,
                (extract(epoch FROM (d.day + 1)::timestamp AT TIME ZONE $2) * 1000000)::bigint
            FROM (SELECT coalesce($1::date, (to_timestamp($3::bigint / 1e6) AT TIME ZONE $2)::date)) d(day)
            """
        let parameters = [
            date, call.gateway.configuration.historyTimeZone, String(SystemClock.wallMicroseconds()),
        ]
        let isAsked = call.gateway.past?.ask(sql, parameters, deadlineMilliseconds: 5_000) { answer in
            call.value(answer) { rows in
                guard rows.count == 1, let name = rows.text(0, 0), let from = rows.integer(0, 1),
                    let to = rows.integer(0, 2), from < to
                else { return call.postgresIsAway() }
                read(driver, Day(name: name, range: from..<to))
            }
        }
        if isAsked != true { call.postgresIsAway() }
    }

    private func read(_ driver: DriverID, _ day: Day) {
        guard let pages = TrackPages(call.gateway, of: driver, in: day.range, precision: 0) else {
            return call.postgresIsAway()
        }
        let configuration = call.gateway.configuration
        let rules = TripRules(
            stop: Int64(configuration.historyStopSeconds) * 1_000_000,
            radius: Double(configuration.historyStopRadiusMetres),
            silence: Int64(configuration.historyTrackGapSeconds) * 1_000_000)
        next(pages, TripFinder(rules)) { finder in
            call.json { append(finder, driver, day, to: &$0) }
        }
    }

    private func next(_ pages: TrackPages, _ finder: TripFinder, then: @escaping (TripFinder) -> Void) {
        pages.next(isPatient: false) { answer in
            // Nobody is there any more to read on for.
            guard connection.isOpen else { return }
            call.value(answer) { points in
                var finder = finder
                for point in points { finder.add(point) }
                guard pages.isAtEnd else { return next(pages, finder, then: then) }
                finder.finish()
                then(finder)
            }
        }
    }

    // MARK: The answer

    private func append(_ finder: TripFinder, _ driver: DriverID, _ day: Day, to writer: inout JSONWriter) {
        writer.raw("{\"driver_id\":")
        writer.id(driver)
        writer.raw(",\"date\":\"\(day.name)\",\"time_zone\":")
        writer.string(call.gateway.configuration.historyTimeZone)
        writer.raw(",")
        span(day.range.lowerBound, day.range.upperBound, &writer)
        writer.raw(",\"pings\":\(finder.pings),\"distance_m\":")
        metres(finder.distance, &writer)
        list("trips", finder.trips, &writer) { trip, writer in
            span(trip.from, trip.to, &writer)
            duration(trip.from, trip.to, &writer)
            writer.raw(",\"distance_m\":")
            metres(trip.distance, &writer)
            writer.raw(",\"pings\":\(trip.pings)")
            if let speed = trip.maximumSpeed {
                writer.raw(",\"max_speed\":")
                writer.thousandths(speed)
            }
            writer.raw(",\"start\":{")
            place(trip.start.latitude, trip.start.longitude, &writer)
            writer.raw("},\"end\":{")
            place(trip.end.latitude, trip.end.longitude, &writer)
            writer.raw("}")
        }
        list("stops", finder.stops, &writer) { stop, writer in
            span(stop.from, stop.to, &writer)
            duration(stop.from, stop.to, &writer)
            writer.raw(",")
            place(stop.latitude, stop.longitude, &writer)
            writer.raw(",\"pings\":\(stop.pings)")
        }
        list("gaps", finder.silences, &writer) { silence, writer in
            span(silence.from, silence.to, &writer)
            duration(silence.from, silence.to, &writer)
        }
        writer.raw("}")
    }

    private func list<Item>(
        _ name: String, _ items: [Item], _ writer: inout JSONWriter, _ members: (Item, inout JSONWriter) -> Void
    ) {
        writer.raw(",\"\(name)\":[")
        for (index, item) in items.enumerated() {
            writer.raw(index == 0 ? "{" : ",{")
            members(item, &writer)
            writer.raw("}")
        }
        writer.raw("]")
    }

    private func span(_ from: Microseconds, _ to: Microseconds, _ writer: inout JSONWriter) {
        writer.raw("\"from\":\"\(Timestamp.fineString(from))\",\"to\":\"\(Timestamp.fineString(to))\"")
    }

    private func duration(_ from: Microseconds, _ to: Microseconds, _ writer: inout JSONWriter) {
        writer.raw(",\"duration_s\":")
        writer.fixed((to - from) / 1_000, decimals: 3)
    }

    private func metres(_ value: Double, _ writer: inout JSONWriter) {
        writer.fixed(Int64((value * 10).rounded()), decimals: 1)
    }

    private func place(_ latitude: Degrees7, _ longitude: Degrees7, _ writer: inout JSONWriter) {
        let place = TrackPoint(
            recordedAt: 0, receivedAt: 0, latitude: latitude, longitude: longitude, accuracy: 1
        ).coarsened(to: call.credential.precisionMetres)
        writer.raw("\"lat\":")
        writer.degrees(place.latitude)
        writer.raw(",\"lng\":")
        writer.degrees(place.longitude)
    }
}
