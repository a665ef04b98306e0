/// The names and values of the OsmAnd protocol, which Traccar Client 8 (query) and 10 (form) and the OsmAnd app (query) send
/// in three dialects. Version 9 sends JSON, see `TraccarPings`.
/// Source: traccar 9e5c458, OsmAndProtocolDecoder.java; traccar-client-android 190ad19, ProtocolFormatter.kt;
/// traccar-client-ios 4517f8b, ProtocolFormatter.swift; OsmAnd 007ad9c, LiveMonitoringHelper.java.

/// Decodes one position.
public enum OsmAndPings {
    /// Who has written the fields, in doubt.
    private enum Dialect {
        case traccar
        case osmAnd

        /// OsmAnd gives its clock in milliseconds and its accuracy as `hdop`; Traccar's clients give seconds.
        init(_ fields: QueryFields) {
            let isInMilliseconds = (fields.number("timestamp") ?? 0) >= 1e11
            self = isInMilliseconds && fields.text("accuracy") == nil && fields.text("hdop") != nil ? .osmAnd : .traccar
        }

        var speedUnit: SpeedUnit {
            switch self {
            case .traccar: .knots
            case .osmAnd: .metresPerSecond
            }
        }
    }

    /// Replaces the contents of `batch` by the position in `fields`. Without a place they are a heartbeat, and where they say
    /// that the fix is not valid they are none: the batch stays empty.
    ///
    /// - Parameters:
    ///   - unit: what the speed is measured in; nil is as the app does: knots of Traccar's clients, m/s of OsmAnd.
    ///   - zerosAreUnknown: speed, bearing and altitude of 0 say nothing, as in queries, which come from apps that always
    ///     write all values; a form comes from Traccar Client 10, which leaves out what it does not know.
    ///   - assumedAccuracy: metres, for an accuracy that the phone does not know.
    ///   - now: the time of a position that names none, as Traccar's server has it.
    public static func decode(
        _ fields: QueryFields, unit: SpeedUnit?, zerosAreUnknown: Bool, into batch: inout PingBatch,
        assumedAccuracy: Float, now: Microseconds
    ) {
        batch.removeAll()
        guard fields.flag("valid") != false else { return }
        func value(_ names: String...) -> Double? { zerosAreUnknown ? fields.nonzero(names) : fields.number(names) }
        let dialect = Dialect(fields)
        var fix = PhoneFix()
        (fix.latitude, fix.longitude) = place(fields)
        // What stands there but is no time must not become now.
        fix.recordedAt = fields.text("timestamp").map { PhoneText.instant($0) } ?? now
        fix.accuracy(fields.number(dialect == .osmAnd ? "hdop" : "accuracy"))
        fix.speed(value("speed"), unit ?? dialect.speedUnit)
        fix.heading(value("bearing", "heading"))
        fix.altitude(value("altitude"))
        fix.battery(percent: fields.number("batt"))
        fix.ping.isMock = fields.flag("mock") ?? false
        fix.label = fields.label("id", "deviceid")
        _ = fix.append(to: &batch, assumedAccuracy: assumedAccuracy)
    }

    /// `lat` and `lon`, or both in `location`.
    private static func place(_ fields: QueryFields) -> (Degrees7?, Degrees7?) {
        guard let both = fields.text("location") else { return (fields.degrees("lat"), fields.degrees("lon")) }
        let parts = both.string.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return (nil, nil) }
        let pair = QueryFields([("lat", String(parts[0])), ("lon", String(parts[1]))])
        return (pair.degrees("lat"), pair.degrees("lon"))
    }
}
