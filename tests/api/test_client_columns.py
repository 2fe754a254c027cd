"""What clients read: each field is in the reply, or, inside of what is null or empty there, published."""
import re

from tests.api.harness import both_engines, document, event, now, operation
from tests.api.test_answers import at, date, session, text

INSIGHTS = "/api/analytics/behavioral-insights"
PATTERN = "id,patternType,patternName,confidence,evidence,detectedAt,firstSeenAt,lastSeenAt,occurrenceCount,metadata"
RECOMMENDATION = "id,userId,title,description,category,priority,priorityScore,confidence,evidence,actionable,appliedAt,status,createdAt"
GOAL = "id,userId,goalType,targetMetric,targetValue,currentValue,deadline,status,createdAt,title,version"
PERSONALIZED = "enabled,strategy,confidence,parameters"
SLOT = "id,startTime,endTime,duration,score,confidence,reasoning,reason,calendarConflict,conflictingEvents,estimatedPerformance,status"
WEAKNESS = "objective_id,objective_name,score,percentile_rank"
INTERVENTION = "pattern_detected,intervention_type,description,priority,estimated_time_hours"
DAILY = ("priority_objective_id,priority_objective_name,insight_category,title,description,action_items,estimated_time_minutes,"
         "generated_at,user_id")
WEEKLY = "objective_id,objective_name,rationale,estimated_hours"
MISSION = ("id,date,status,estimatedMinutes,actualMinutes,objectiveCount,completedObjectivesCount,completedObjectiveCount,"
           "completionRate,studySessionCount,totalStudyMinutes,successScore,completedAt,version")
PLANNED = "objectiveId,estimatedMinutes,completed,objective{id,objective,complexity}"
PREDICTION = ("id,topicName,predictedStruggleProbability,confidence,predictedFor,predictionDate,predictionStatus,riskLevel,actualOutcome,"
              "learningObjective{objective,complexity,lecture{title,course{name}}},indicators,interventions,feedbacks,"
              "features{prerequisiteGap,historicalStruggle,contentComplexity,retentionRate,cognitiveLoad,topicSimilarity}")
PREDICTION_ML = ("id,user_id,learning_objective_id,topic_id,prediction_date,predicted_struggle_probability,prediction_confidence,"
                 "prediction_status,feature_vector,risk_level,reasoning,objective_name,course_name,indicators")
ALERT = "id,type,title,message,severity,priority,predictionId,interventionId,createdAt"
ALERT_ML = "id,type,title,message,severity,priority,prediction_id,intervention_id,created_at"
HELP = "id,interventionType,description,reasoning,priority,status,appliedAt,appliedToMissionId,effectiveness,createdAt"
HELP_ML = ("id,prediction_id,user_id,intervention_type,description,reasoning,priority,status,applied_at,applied_to_mission_id,"
           "effectiveness,created_at")
MODEL_ML = ("accuracy,precision,recall,f1_score,auc_roc,calibration,model_type,model_version,last_updated,data_points,"
            "feature_importance,accuracy_trend[]{date,accuracy},metrics{precision,recall,f1_score}")
SESSION = ("id,startedAt,completedAt,durationMs,durationMinutes,isCompleted,completionRate,reviewsCompleted,newCardsStudied,averageRating,"
           "missionId,missionDate,notes")
BY_WEEKS = "week,date,struggleRate"

# who reads, method, path, query or body, columns
READS = [
    # ---- load and wellbeing ----
    ("load indicator", "GET", "/api/analytics/cognitive-load/current", {},
     "success,loadScore,loadLevel,trend,timestamp,stressIndicators,sessionActive,confidenceLevel"),
    ("health dashboard", "GET", "/api/analytics/cognitive-load/history", {"granularity": "day"},
     "success,dataPoints[]{timestamp,loadScore,loadLevel,sessionId,stressIndicators,confidenceLevel},"
     "summary{avgLoad,maxLoad,overloadEpisodes,totalDataPoints,dateRange{start,end}}"),
    ("health dashboard, burnout panel", "GET", "/api/analytics/burnout-risk", {},
     "success,data{riskScore,riskLevel,contributingFactors[]{factor,score,percentage,severity,description,metadata{daysSinceRest}},"
     "warningSignals[]{type,detected,severity,description,firstDetectedAt},recommendations,assessmentDate,confidence,"
     "missionOverride{skipGeneration,mandatoryRest,recoveryDays},metadata{recoveryProgress}}"),
    ("health dashboard", "GET", "/api/analytics/stress-profile", {},
     "success,profileExists,primaryStressors[]{type,stressorType,frequency,severity,confidence},loadTolerance,avgCognitiveLoad,"
     "avgRecoveryTime,effectiveCopingStrategies,profileConfidence"),
    ("documents", "GET", "/api/analytics/stress-patterns", {},
     "success,patterns[]{id,patternType,patternName,evidence,confidence,detectedAt,lastSeenAt,occurrenceCount},"
     "summary{totalPatterns,avgConfidence,patternTypeDistribution}"),
    ("orchestration indicator", "GET", "/api/orchestration/cognitive-load", {},
     "load,level,recommendation,data{currentLoad,status,trend{direction,percentage},historicalData[]{date,load},recommendation}"),
    # ---- orchestration ----
    ("slot panel, typed client", "POST", "/api/orchestration/recommendations", {},
     "recommendations[]{%s},cognitiveLoad,generatedAt" % SLOT),
    ("slot panel by GET", "GET", "/api/orchestration/recommendations", {}, "data{timeSlots[]{id,status,startTime,endTime}}"),
    ("orchestration pages, typed client", "POST", "/api/orchestration/session-plan", {"startTime": "{now}"},
     "plan{id,startTime,endTime,duration,intensity,contentSequence{sequence[]{contentId,type,estimatedDuration,duration,phase},"
     "totalDuration,phases{warmUp,peak,windDown},phaseBreakdown},breaks{breakIntervals,breakDurations,totalBreakTime,reasoning},"
     "breakList[]{minute,duration,reason},confidence,reasoning{timeSelection,durationLogic,contentSequencing,intensityFactors}},confidence"),
    ("typed client", "POST", "/api/orchestration/adapt-schedule",
     {"adaptationType": "DURATION_CHANGE", "reason": "tired", "newValue": 30},
     "success,adaptationId,adaptationType,reason,oldValue,newValue,updatedRecommendations[]{startTime,endTime,confidence,reason},message"),
    ("orchestration page", "GET", "/api/orchestration/effectiveness", {},
     "adherenceRate,performanceImprovement,avgConfidence,insights,stats{totalSessions,orchestratedSessions,selfScheduledSessions,"
     "orchestratedAvgPerformance,selfScheduledAvgPerformance}"),
    ("calendar widget", "GET", "/api/calendar/status", {}, "connected,provider,lastSyncAt,calendarId"),
    ("calendar settings", "POST", "/api/calendar/sync", {"daysAhead": 7, "ical": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n"},
     "syncedEvents,conflicts[]{calendarEventId,eventSummary,eventStart,eventEnd,conflictType,recommendedTimeStart}"),
    # ---- personalisation ----
    ("settings page", "GET", "/api/personalization/preferences", {},
     "data{preferences{personalizationLevel,missionPersonalizationEnabled,contentPersonalizationEnabled,assessmentPersonalizationEnabled,"
     "sessionPersonalizationEnabled,autoAdaptEnabled,disabledFeatures,updatedAt}}"),
    ("settings page", "PATCH", "/api/personalization/preferences", {"personalizationLevel": "HIGH"}, "data{preferences{personalizationLevel},message}"),
    ("active panel", "GET", "/api/personalization/config", {},
     "data{config{missionPersonalization{%s},contentPersonalization{%s},assessmentPersonalization{%s},sessionPersonalization{%s}},"
     "dataQualityScore,lastAnalyzedAt}" % ((PERSONALIZED,) * 4)),
    ("apply", "POST", "/api/personalization/apply", {"context": "MISSION"},
     "data{personalizationApplied,context,config{%s},confidence,message,dataQualityScore}" % PERSONALIZED),
    ("effectiveness chart", "GET", "/api/personalization/effectiveness", {},
     "data{effectiveness{hasPersonalization,metrics{retentionImprovement,performanceImprovement,completionRateChange,engagementChange},"
     "statistical{sampleSize,correlation,pValue,isStatisticallySignificant},activeConfigs[]{context,strategy,confidence},"
     "timeline[]{date,startDate,endDate,retentionImprovement,performanceImprovement,completionRateChange,engagementChange}},"
     "period{startDate,endDate,days},timeline[]{date}}"),
    ("history timeline", "GET", "/api/personalization/history", {},
     "events[]{id,timestamp,eventType,personalizationType,context,previousValue,newValue,reason,effectivenessScore,configId,strategyVariant},"
     "data{events,meta{total,limit,offset,hasMore}}"),
    # ---- the user ----
    ("privacy settings", "GET", "/api/user/privacy", {},
     "behavioralAnalysisEnabled,learningStyleProfilingEnabled,data{behavioralAnalysisEnabled,learningStyleProfilingEnabled,shareAnonymizedPatterns}"),
    ("privacy settings", "PATCH", "/api/user/privacy", {"behavioralAnalysisEnabled": True},
     "behavioralAnalysisEnabled,learningStyleProfilingEnabled,data{behavioralAnalysisEnabled}"),
    ("settings pages, use-current-user", "GET", "/api/user/profile", {},
     "success,data{user{id,email,name,createdAt,updatedAt,_count{courses,lectures,studySessions},stats{courseCount,lectureCount,sessionCount},"
     "performanceTrackingEnabled,includeInAnalytics,defaultMissionMinutes,missionDifficulty,preferredStudyTime,autoGenerateMissions,"
     "lastMissionAdaptation}}"),
    ("peer dialog", "PATCH", "/api/user/preferences", {"sharePeerCalibrationData": True}, "success,message,data{preferences{sharePeerCalibrationData}}"),
    # ---- patterns and insights ----
    ("pattern list", "GET", "/api/analytics/patterns", {}, "success,data{patterns[]{%s},count}" % PATTERN),
    ("understanding hook", "POST", "/api/analytics/patterns", {"date_range": "30d"},
     "user_id,strengths[]{%s},weaknesses[]{%s},calibration_issues[]{objective_id,objective_name,calibration_delta,category,description},"
     "ai_insights[]{category,observation,action,confidence},analysis_date_range,generated_at" % (WEAKNESS, WEAKNESS)),
    ("all patterns", "GET", "/api/analytics/patterns/all", {}, "data{patterns[]{%s},count}" % PATTERN),
    ("timeline", "GET", INSIGHTS + "/patterns/evolution", {},
     "data{evolution[]{weekNumber,weekStart,weekEnd,patterns[]{id,patternType,confidence,metadata,status}},"
     "meta{totalWeeks,startDate,endDate,totalPatterns,patternTypeFilter}}"),
    ("dashboard", "GET", INSIGHTS + "/dashboard", {},
     "data{patterns[]{%s},recommendations[]{%s},goals[]{%s},metrics{consistency,focus,retention,efficiency},correlationData,"
     "meta{patternsCount,recommendationsCount,activeGoalsCount,recentInsightsCount,lastUpdated}}" % (PATTERN, RECOMMENDATION, GOAL)),
    ("correlation", "GET", INSIGHTS + "/correlation", {},
     "data{coefficient,pValue,interpretation,confidenceInterval,timeSeriesData[]{date,behavioralScore,academicScore},insights,"
     "dataQuality{sampleSize,weeksOfData,missingDataPoints}}"),
    ("goals", "GET", INSIGHTS + "/goals", {}, "data{goals[]{%s},count}" % GOAL),
    ("one goal", "GET", INSIGHTS + "/goals/{goal}", {},
     "data{goal{%s},progressHistory[]{date,value,note},recentActivity[]{id,startedAt,completedAt},projectedCompletion}" % GOAL),
    ("goal progress", "PATCH", INSIGHTS + "/goals/{goal}/progress", {"currentValue": 3}, "data{goal{%s},completed}" % GOAL),
    ("recommendations", "GET", INSIGHTS + "/recommendations", {}, "data{recommendations[]{%s},count,total}" % RECOMMENDATION),
    ("shared hook", "GET", "/api/analytics/recommendations", {},
     "user_id,daily_insight{%s},weekly_top3[]{%s},interventions[]{%s},time_estimates[]{objective_id,objective_name,current_score,"
     "hours_to_mastery,weeks_to_mastery},exam_success_probability,generated_at" % (DAILY, WEEKLY, INTERVENTION)),
    ("article page", "GET", INSIGHTS + "/learning-science/spacing-effect-science", {},
     "data{article{slug,title,category,content,readingTime,sources,relatedPatterns,personalizedContent},personalizedSections,"
     "readStatus{hasRead,firstReadAt,lastReadAt,completedRead,helpful,rating}}"),
    ("insight panel", "GET", "/api/analytics/insights", {},
     "insights[]{id,userId,insightType,title,description,actionableRecommendation,confidence,createdAt,acknowledgedAt,applied,"
     "supportingPatterns[]{id,patternType,patternName,confidence,detectedAt,lastSeenAt}},insufficientData,data{insights,count}"),
    ("profile", "GET", "/api/analytics/learning-profile", {},
     "data{profile,insufficientData,dataRequirements{weeksNeeded,sessionsNeeded,reviewsNeeded,currentWeeks,currentSessions,currentReviews}}"),
    # ---- forecasts ----
    ("prediction panel", "GET", "/api/analytics/predictions", {},
     "success,data{predictions[]{%s},stats{total,pending,confirmed,falsePositives,missed,avgProbability,avgConfidence}}" % PREDICTION),
    ("prediction panel", "POST", "/api/analytics/predictions/generate", {"daysAhead": 7},
     "data{predictions[]{%s},alerts[]{%s},summary{totalPredictions,highRiskCount,mediumRiskCount,interventionsGenerated}}" % (PREDICTION, ALERT)),
    ("shared hook", "POST", "/api/analytics/predictions", {},
     "exam_success{probability,confidence_interval,contributing_factors,recommendation},forgetting_risks,mastery_dates,model_accuracy,generated_at"),
    ("interventions", "GET", "/api/analytics/interventions", {},
     "data{interventions[]{%s,typeEffectiveness},grouped,effectivenessByType,summary{totalActive,pending,applied,avgPriority}}" % HELP),
    ("shared hook", "POST", "/api/analytics/interventions", {}, "[]{%s}" % INTERVENTION),
    ("model page", "GET", "/api/analytics/model-performance", {},
     "metrics{precision,recall,f1_score},data{accuracy,precision,recall,f1Score,calibration,lastUpdated,dataPoints,"
     "confusionMatrix{truePositive,falsePositive,trueNegative,falseNegative},trends[]{week,weekStart,weekEnd,accuracy,dataPoints},"
     "featureImportance[]{feature,importance,occurrences},summary{overallHealth,recommendation}}"),
    ("reduction chart", "GET", "/api/analytics/struggle-reduction", {},
     "data{baseline_rate,current_rate,reduction_percentage,weekly_timeline[]{week,struggle_rate},intervention_count,weeks_tracked,"
     "timeline[]{period,date,struggleRate,reviewCount},interventionEffectiveness[]{interventionType,count,avgEffectiveness,description},"
     "summary{improvementStatus,message,baselineContext,currentContext}}"),
    ("time to mastery", "GET", "/api/analytics/time-to-mastery/o1", {}, ""),
    ("success probability", "GET", "/api/analytics/success-probability/o1", {"planned_hours": 4}, ""),
    ("daily insight", "GET", "/api/analytics/daily-insight", {}, DAILY),
    ("weekly summary", "GET", "/api/analytics/weekly-summary", {}, "[]{%s}" % WEEKLY),
    # ---- the former prediction service ----
    ("former service", "GET", "/predictions", {},
     "success,predictions[]{id,userId,learningObjectiveId,topicId,predictionDate,predictedStruggleProbability,predictionConfidence,"
     "predictionStatus,actualOutcome,%s},alerts[]{%s},count,total_count,high_risk_count,medium_risk_count,low_risk_count,generated_at"
     % (PREDICTION_ML, ALERT_ML)),
    ("former service", "GET", "/interventions", {}, "success,interventions[]{%s,%s},count" % (HELP, HELP_ML)),
    ("former service, as a list", "GET", "/analytics/interventions", {}, "[]{%s}" % HELP_ML),
    ("former service", "GET", "/model-performance", {},
     "success,userId,accuracy,precision,recall,f1Score,lastUpdated,dataPoints,trend,%s" % MODEL_ML),
    ("former service, snake case", "GET", "/analytics/model-performance", {}, MODEL_ML),
    ("former service", "GET", "/struggle-reduction", {},
     "success,userId,period,baselineRate,currentRate,reductionPercentage,timeline[]{week,struggleRate},"
     "interventionEffectiveness[]{type,applicationsCount,successRate}"),
    ("former service, snake case", "GET", "/analytics/struggle-reduction", {},
     "baseline_rate,current_rate,reduction_percentage,timeline[]{date,struggle_rate,struggles_count,topics_studied},"
     "intervention_effectiveness,period,baseline_period_start,baseline_period_end,current_period_start,current_period_end,"
     "total_predictions,total_interventions_applied,user_feedback_count"),
    # ---- missions ----
    ("mission analytics", "GET", "/api/analytics/missions/summary", {},
     "data{completionRate,streak{current,longest},successScore,missions{completed,skipped,total},insights,"
     "comparison{missionGuided{sessions,masteryImprovement,completionRate,efficiency},freeStudy{sessions,masteryImprovement,completionRate,"
     "efficiency},improvementPercentage,confidence,pValue,insight}}"),
    ("mission trends", "GET", "/api/analytics/missions/trends", {}, "data{data[]{date,value},metadata{metric,granularity,period{start,end}}}"),
    ("mission correlation", "GET", "/api/analytics/missions/correlation", {},
     "data{correlationCoefficient,pValue,sampleSize,confidence,insight,dataPoints[]{completionRate,masteryImprovement}}"),
    ("mission recommendations", "GET", "/api/analytics/missions/recommendations", {},
     "data{recommendations[]{id,type,title,description,rationale,action,priority,value{duration},current,recommended,reason},rationale}"),
    ("mission page", "GET", "/api/learning/mission/today", {},
     "data{mission{%s},objectives[]{%s},progress{total,completed,percentage,estimatedMinutesRemaining,actualMinutesSpent}}" % (MISSION, PLANNED)),
    ("mission history", "GET", "/api/learning/mission/history", {}, "data{missions[]{%s},total,filter}" % MISSION),
    ("mission preview", "GET", "/api/learning/mission/preview", {},
     "data{preview,date,objectives[]{objectiveId,estimatedMinutes},estimatedMinutes,priorityBreakdown{highYield,total}}"),
    ("one mission", "GET", "/api/learning/mission/{mission}", {},
     "data{mission{%s},objectives[]{%s},studySessions[]{id,startedAt,completedAt,durationMs,reviewsCompleted,sessionNotes}}" % (MISSION, PLANNED)),
    ("objective done", "PATCH", "/api/learning/mission/{mission}/objectives/{objective}/complete", {},
     "data{objective{%s},mission{%s},progress{completed,total,percentage,allComplete},nextObjective{objectiveId,estimatedMinutes}}" % (PLANNED, MISSION)),
    ("mission archive", "GET", "/api/missions/history", {}, "data{missions[]{id,objectives[]{%s}},pagination{total,limit,offset,hasMore}}" % PLANNED),
    ("mission feedback", "GET", "/api/missions/{mission}/feedback", {},
     "data{aggregatedFeedback{avgHelpfulness,avgRelevance,paceDistribution{too_slow,just_right,too_fast}}}"),
    # ---- sessions, time, search ----
    ("session list", "GET", "/api/analytics/sessions", {},
     "data{sessions[]{%s},stats{totalSessions,completedSessions,totalDurationMs,totalDurationMinutes,averageDurationMs,averageDurationMinutes,"
     "totalReviews,averageReviewsPerSession,averageCompletionRate}}" % SESSION),
    ("session pages", "GET", "/api/learning/sessions", {},
     "data{sessions[]{id,mission},total,totalStudyTime,sessionsByDate,pagination{limit,offset,hasMore}}"),
    ("session page", "GET", "/api/learning/sessions/{session}", {},
     "data{session{durationMs,reviewsCompleted,newCardsStudied,sessionNotes,objectiveCompletions,mission{objectives[]{objectiveId,"
     "estimatedMinutes,objective}},reviews,comprehensionMetrics{totalAttempts,averageScore,skippedCount,responses},"
     "calibrationMetrics{totalValidations,avgConfidenceVsPerformanceGap,categoryDistribution{overconfident,underconfident,calibrated},"
     "reflectionCompletionRate,calibrationTimeMinutes}}}"),
    ("session analytics", "GET", "/api/learning/sessions/{session}/analytics", {},
     "data{objectives[]{index,objectiveId,objective,complexity,timeSpentMinutes,estimatedMinutes,selfAssessment,confidenceRating,deltaMinutes},"
     "cards{reviewed,accuracy},timeBreakdown{totalActualMinutes,totalEstimatedMinutes,deltaMinutes,deltaPercent},insights,calibrationMetrics}"),
    ("recent sessions", "GET", "/api/learning/sessions/recent", {},
     "data{sessions[]{id,startedAt,completedAt,durationMs,missionId,mission,summary{objectivesCompleted,totalObjectives,completionRate,totalCards,"
     "cardAccuracy,averageSelfAssessment,timeBreakdown{totalMs,objectiveMs,cardMs}}},aggregateStats{totalSessions,totalStudyTimeMs,"
     "totalObjectivesCompleted,totalCardsReviewed,averageSessionDurationMs,averageCardAccuracy},pagination{limit,returned}}"),
    ("session chart", "GET", "/api/analytics/session-performance", {},
     "sessions[]{duration,performance,timeOfDay},currentAverage{duration,performance},recommended{duration,performance}"),
    ("study time", "GET", "/api/analytics/study-time", {},
     "data{dailyTime[]{date,minutes,sessions},weeklyTime[]{week,minutes,sessions},avgSessionLength,streak,"
     "timeOfDay{morning,afternoon,evening,night},totalSessions,totalStudyTime,metadata{period}}"),
    ("heatmap", "GET", "/api/analytics/study-time-heatmap", {},
     "data{heatmapData[]{day,hour,avgPerformance,sessionCount},optimalWindows[]{day,startHour,endHour,score}}"),
    ("time per topic", "GET", "/api/analytics/time-per-topic", {},
     "data{byCourse[]{id,name,minutes,sessions},byLecture[]{id,title,courseName,minutes,sessions},byTag[]{tag,minutes,sessions}}"),
    ("search page", "GET", "/api/search/analytics", {},
     "data{popularSearches[]{query,count,avgResults},zeroResultQueries[]{query,count,lastSearched},ctrAnalytics{overallCTR,"
     "byPosition[]{position,clicks,ctr},totalSearches,totalClicks},performanceMetrics{avgResponseTimeMs,avgResultsPerQuery,totalSearches,"
     "p95ResponseTimeMs},timeWindowDays,generatedAt}"),
]


def columns(text):
    """"a,b[]{c}" as {"a": {}, "b": {"[]": {"c": {}}}}."""
    return branch(re.findall(r"\[\]|[\w.]+|[{},]", text))


def branch(tokens):
    tree = {}
    while tokens and tokens[0] != "}":
        t = tokens.pop(0)
        if t == ",":
            continue
        node = tree.setdefault(t, {})
        if tokens and tokens[0] == "[]":
            tokens.pop(0)
            node = node.setdefault("[]", {})
        if tokens and tokens[0] == "{":
            tokens.pop(0)
            node.update(branch(tokens))
            tokens.pop(0)
    return tree


def variants(schema):
    """The schema and what it may also be, with references followed."""
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        part = document()
        for name in schema["$ref"].lstrip("#/").split("/"):
            part = part[name]
        yield from variants(part)
        return
    yield schema
    for word in ("anyOf", "oneOf", "allOf"):
        for other in schema.get(word, ()):
            yield from variants(other)


def inside(schemas, name):
    """What is published of a member, or of each element ("[]")."""
    found = []
    for schema in schemas:
        for v in variants(schema):
            part = v.get("items") if name == "[]" else v.get("properties", {}).get(name)
            if part is not None:
                found.append(part)
    return found


def lacking(value, schemas, tree, where=""):
    """The columns that are neither in the value nor, where it is null or empty, published."""
    missing = []
    for name, below in tree.items():
        here = where + ("[]" if name == "[]" else "." + name)
        part = inside(schemas, name)
        if name == "[]" and isinstance(value, list):
            for one in value or [None]:
                missing += lacking(one, part, below, here)
        elif value is None and part:
            missing += lacking(None, part, below, here)
        elif name != "[]" and isinstance(value, dict) and name in value:
            missing += lacking(value[name], part, below, here)
        else:
            missing.append(here.lstrip("."))
    return sorted(set(missing))


@both_engines
class ClientColumns:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        post, events = cls.server.post, []
        for day in range(1, 80, 3):
            name = "s%d" % day
            events += session("ann", name, at(day, 9), 40, 6, 5)
            events += [event("ann", "answer", at=text(at(day, 9, k)), session=name, item="i%d" % k, objective="o%d" % (k % 3), course="c",
                             correct=(k + day) % 3 > 0, durationMs=20000) for k in range(9)]
            events += [event("ann", "review", at=text(at(day, 9, 20 + k)), session=name, item="card%d" % k, rating=1 + (k + day) % 4,
                             objective="o1", course="c") for k in range(4)]
            events += [event("ann", "load", at=text(at(day, 9, 30)), session=name, data={"loadScore": 30 + day, "confidenceLevel": 0.8})]
        events += [event("ann", "search", at=text(at(2, 9)), data={"query": "heart", "results": 0})]
        cls.server.events(events)
        cls.names = {"session": "s4"}
        made = post("/api/learning/mission/generate", {"userId": "ann"}).json["data"]
        cls.names |= {"mission": made["mission"]["id"], "objective": made["objectives"][0]["objectiveId"]}
        body = {"userId": "ann", "goalType": "CUSTOM", "targetMetric": "custom", "targetValue": 10, "deadline": text(at(-30, 9))}
        cls.names["goal"] = post(INSIGHTS + "/goals", body).json["data"]["goal"]["id"]
        post("/api/analytics/patterns/analyze", {"userId": "ann"})
        post("/api/analytics/predictions/generate", {"userId": "ann"})
        post("/api/orchestration/exams", {"userId": "ann", "name": "Finals", "date": date(-9)})

    def test_every_column_is_there(self):
        for who, method, path, more, wanted in READS:
            with self.subTest(client=who, method=method, path=path):
                row = operation(method, path.format(**self.names))
                self.assertIsNotNone(row, "not published")
                more = {k: text(now()) if v == "{now}" else v for k, v in more.items()}
                given = {"userId": "ann"} | more
                by_query = method == "GET" or "requestBody" not in row or any(
                    p.get("name") == "userId" for p in row.get("parameters", ()))
                reply = self.server.request(method, path.format(**self.names), query=given if by_query else None,
                                            body=None if method == "GET" else more if by_query else given)
                self.assertIn(reply.status, (200, 201), reply)
                answer = row["responses"][str(reply.status)]
                for v in variants(answer):
                    answer = v
                kinds = [c["schema"] for c in answer["content"].values()]
                self.assertEqual(lacking(reply.json, kinds, columns(wanted)), [])

    def get(self, path, **query):
        reply = self.server.get(path, query={"userId": "ann", **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def test_what_is_said_twice_is_the_same(self):
        insights = self.get("/api/analytics/insights")
        self.assertEqual({k: v for k, v in insights.items() if k not in ("success", "data")}, insights["data"])
        model = self.get("/api/analytics/model-performance")
        self.assertEqual(model["metrics"], model["data"]["metrics"])
        bins = model["data"]["reliabilityBins"]
        self.assertEqual(model["data"]["calibration"], {"predicted": [b["forecast"] for b in bins], "actual": [b["observed"] for b in bins],
                                                        "counts": [b["n"] for b in bins]})
        self.assertGreater(sum(model["data"]["calibration"]["counts"]), 30)
        listed = self.get("/analytics/interventions")
        self.assertEqual([i["id"] for i in listed], [i["id"] for i in self.get("/api/analytics/interventions")["data"]["interventions"]])

    def test_forecasts_with_what_was_said_and_done(self):
        likely = self.get("/api/analytics/predictions", minProbability=0)["data"]["predictions"]
        body = {"userId": "ann", "actualStruggle": True, "feedbackType": "HELPFUL", "helpfulness": 4}
        self.assertEqual(self.server.post("/api/analytics/predictions/%s/feedback" % likely[0]["id"], body).status, 200)
        told = {p["id"]: p for p in self.get("/api/analytics/predictions", minProbability=0)["data"]["predictions"]}
        self.assertEqual([(f["feedbackType"], f["actualStruggle"], f["helpfulness"]) for f in told[likely[0]["id"]]["feedbacks"]],
                         [("HELPFUL", True, 4)])
        self.assertEqual(sum(len(p["feedbacks"]) for p in told.values()), 1)
        proposed = {(i["predictionId"], i["id"]) for i in self.get("/api/analytics/interventions")["data"]["interventions"]}
        shown = {(p["id"], i["id"]) for p in told.values() for i in p["interventions"]}
        self.assertTrue(proposed)
        self.assertLessEqual(proposed, shown)
        self.assertEqual(self.get("/api/analytics/struggle-reduction")["data"]["userFeedbackCount"], 1)

    def test_what_older_clients_ask_by_post(self):
        advice = self.get("/api/analytics/recommendations", period="90d")
        helped = self.server.post("/api/analytics/interventions", {"user_id": "ann", "period": "90d"}).json
        self.assertEqual(helped, advice["interventions"])
        seen = self.server.post("/api/analytics/predictions", {"user_id": "ann"}).json
        self.assertEqual(seen["exam_success"]["probability"], advice["exam_success_probability"])
        self.assertIsNone(seen["model_accuracy"])
        self.assertTrue(all(0 <= f["risk"] <= 1 and f["n"] > 0 for f in seen["forgetting_risks"]))
        for path in ("interventions", "predictions"):
            self.assertProblem(self.server.post("/api/analytics/" + path, {"userId": "nobody"}), 404)
            self.assertProblem(self.server.post("/api/analytics/" + path, {"userId": "ann", "period": "8d"}), 400, field="period")

    def test_the_notation(self):
        self.assertEqual(columns("a,b[]{c,d{e}},[]{f}"), {"a": {}, "b": {"[]": {"c": {}, "d": {"e": {}}}}, "[]": {"f": {}}})
        schema = [{"properties": {"a": {"anyOf": [{"type": "null"}, {"properties": {"b": {}}}]}, "l": {"items": {"properties": {"m": {}}}}}}]
        tree = columns("a{b,c},l[]{m,n},z")
        self.assertEqual(lacking({"a": None, "l": []}, schema, tree), ["a.c", "l[].n", "z"])
        self.assertEqual(lacking({"a": {"b": 1}, "l": [{"m": 1, "n": 2}, {"m": 3}], "z": None}, schema, tree), ["a.c", "l[].n"])
