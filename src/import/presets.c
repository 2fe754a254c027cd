/* presets - layouts of well-known files, as options of `doppel import csv`. docs/import.md names
 * the data sets that have them, each with its whole command. */
#include "import/table.h"

#define DATES "%Y-%m-%d %H:%M:%S|rfc3339|%m/%d/%y %H:%M|%Y-%m-%d"
/* Presentations begin in February (B) and October (J); the first of the month stands for the day.
 */
#define OULAD_ORIGINS "2013B=2013-02-01,2013J=2013-10-01,2014B=2014-02-01,2014J=2014-10-01"
#define OULAD                                                                                      \
    "--separator", "comma", "--map", "learner=id_student", "--map", "course=code_module", "--map", \
        "course=code_presentation", "--map", "origin=code_presentation", "--origin-values",        \
        OULAD_ORIGINS, "--time-format", "days"

/* clang-format off */
const struct preset presets[] = {
    {"gervet", "Answers without times: user_id, item_id, timestamp, correct, skill_id (tabs).",
     {"--separator", "tab", "--map", "learner=user_id", "--map", "item=item_id", "--map", "skills=skill_id",
      "--map", "correct=correct", "--untimed"}},
    {"dkvmn", "Three lines a learner: how many answers, their skills, right or wrong; no times.",
     {"--layout", "triples", "--map", "learner=learner", "--map", "item=skill", "--map", "skills=skill",
      "--map", "correct=correct", "--untimed"}},
    {"cloze", "Fill-in practice as exported by R from DataShop: Anon.Student.Id, Outcome, KC..Cluster.",
     {"--separator", "tab", "--no-quotes", "--map", "learner=Anon.Student.Id", "--map", "time=Time",
      "--time-format", DATES, "--map", "session=Session.Id", "--map", "item=Problem.Name",
      "--map", "skills=KC..Cluster.", "--map", "correct=Outcome", "--map", "kind=Outcome",
      "--kind", "answer", "--kind-values", "STUDY=study", "--map", "duration=Duration..sec.",
      "--map", "latency=CF..End.Latency.", "--map", "data.unit=Level..Unitname.",
      "--missing", "NA,-1"}},
    {"datashop-step", "DataShop student-step export; the first attempt counts, a hint is not right.",
     {"--separator", "tab", "--map", "learner=Anon Student Id", "--map", "time=Step End Time",
      "--time-format", DATES, "--map", "item=Problem Name", "--map", "item=Step Name",
      "--map", "skills=KC (Default)", "--list-separator", "~~", "--map", "objective=Problem Hierarchy",
      "--map", "correct=First Attempt", "--correct-values", "correct=1,incorrect=0,hint=0",
      "--map", "duration=Step Duration (sec)", "--map", "data.hints=Hints", "--session-gap", "30m"}},
    {"datashop-transaction", "DataShop transaction export; hints become events of their own.",
     {"--separator", "tab", "--map", "id=Transaction Id", "--map", "learner=Anon Student Id",
      "--map", "session=Session Id", "--map", "time=Time", "--time-format", DATES,
      "--map", "item=Problem Name", "--map", "item=Step Name", "--map", "skills=KC (Default)",
      "--list-separator", "~~", "--map", "correct=Outcome", "--map", "kind=Outcome", "--kind", "answer",
      "--kind-values", "HINT=hint", "--map", "duration=Duration (sec)",
      "--map", "data.attempt=Attempt At Step", "--skip", "Outcome="}},
    {"swahili", "Word pairs in three sessions a week apart; seconds from each session's start.",
     {"--separator", "comma", "--map", "learner=subj", "--map", "session=session", "--map", "item=item",
      "--map", "time=time", "--time-format", "seconds", "--time-is", "start", "--map", "origin=session",
      "--origin-values", "1=2014-01-06,2=2014-01-13,3=2014-01-20", "--untimed", "--map", "kind=type",
      "--kind-values", "study=study,test=answer", "--map", "correct=correct", "--map", "latency=rt",
      "--map", "data.cue=cue", "--skip", "time="}},
    {"moodle", "Moodle course log as activity: user, timecreated, Component, Event.name, Event.context.",
     {"--separator", "tab", "--no-quotes", "--map", "learner=user", "--map", "time=timecreated",
      "--time-format", DATES, "--kind", "activity", "--map", "item=Event.context",
      "--map", "data.component=Component", "--map", "data.event=Event.name", "--sort",
      "--session-gap", "30m"}},
    {"moodle-grades", "Final grades of 0 to 10: user, Final_grade; give the day as --map time==DAY.",
     {"--separator", "tab", "--map", "learner=user", "--time-format", DATES, "--kind", "grade",
      "--map", "item==final grade", "--map", "score=Final_grade", "--score-scale", "10"}},
    {"oulad-assessments", "Open University submissions; needs --join assessment.csv.gz:id_assessment.",
     {OULAD, "--kind", "assessment", "--map", "time=date_submitted", "--map", "item=id_assessment",
      "--map", "score=score", "--score-scale", "100", "--map", "data.type=assessment_type",
      "--map", "data.weight=weight", "--map", "data.carried=is_banked", "--skip", "score=NA"}},
    {"oulad-registrations", "Open University registrations; needs --join student.csv.gz:code_module,code_presentation,id_student.",
     {OULAD, "--kind", "enrolled", "--map", "time=date_registration", "--skip", "date_registration=NA",
      "--map", "data.earlierAttempts=num_of_prev_attempts", "--map", "data.credits=studied_credits",
      "--map", "data.creditsPerYear==120", "--map", "data.education=highest_education", "--data-values",
      "No Formal quals=NONE,Lower Than A Level=SCHOOL,A Level or Equivalent=LEAVING,"
      "HE Qualification=DEGREE,Post Graduate Qualification=POSTGRADUATE"}},
    {"oulad-withdrawals", "Open University registrations: who left which presentation, when.",
     {OULAD, "--kind", "withdrawn", "--map", "time=date_unregistration",
      "--skip", "date_unregistration=NA"}},
    {"oulad-results", "Open University results; needs --join course.csv.gz:code_module,code_presentation.",
     {OULAD, "--kind", "grade", "--map", "time=module_presentation_length", "--map", "correct=final_result",
      "--correct-values", "Pass=1,Distinction=1,Fail=0", "--map", "data.result=final_result",
      "--skip", "final_result=Withdrawn"}},
    {"anki-reviews", "Anki review log: card_id, review_rating, review_time, review_duration (ms).",
     {"--separator", "comma", "--map", "item=card_id", "--map", "rating=review_rating",
      "--map", "time=review_time", "--time-format", "rfc3339|unixms", "--kind", "review",
      "--map", "duration=review_duration", "--duration-unit", "ms", "--session-gap", "30m", "--sort"}},
    {.name = NULL},
};
/* clang-format on */
